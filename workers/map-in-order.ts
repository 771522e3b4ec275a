/**
 * `map(0)`, `map(1)`, … `map(count - 1)`, in this order, with at most `concurrency` of them under way or waiting to be taken:
 * a slow consumer holds the producers back. A rejection is thrown when its turn comes.
 */
export async function* mapInOrder<T>(
  count: number,
  concurrency: number,
  map: (index: number) => Promise<T>,
): AsyncGenerator<T, void> {
  const underWay: Promise<T>[] = [];
  for (let next = 0; ;) {
    while (next < count && underWay.length < concurrency) {
      const result = map(next++);
      // One that fails while an earlier one is awaited, or after the consumer has gone, is no unhandled rejection.
      result.catch(() => undefined);
      underWay.push(result);
    }
    const first = underWay.shift();
    if (first === undefined) return;
    yield await first;
  }
}
