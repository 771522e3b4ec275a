/** What kernels that halve images share. */

/** Eight averages of two by two pixels, in the lower half, of sixteen columns of two rows. */
export function averageOfFour(above: v128, below: v128): v128 {
  const sum = i16x8.add(i16x8.extadd_pairwise_i8x16_u(above), i16x8.extadd_pairwise_i8x16_u(below));
  const values = i16x8.shr_u(i16x8.add(sum, i16x8.splat(2)), 2);
  return i8x16.narrow_i16x8_u(values, values);
}
