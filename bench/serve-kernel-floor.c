/* The loops of batch assembly as one writes them in C: a mirrored or plain window of a planar uint8 record, placed NCHW or NHWC
 * as uint8, float32, float16 or bfloat16, the floats minus the mean at the source position. One JSON line: images per second of
 * CPU by way. Argument: images per way. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = 256, CROP = 227, CHANNELS = 3, RECORDS = 16, TARGETS = 8 };

static uint8_t records[RECORDS][CHANNELS][SIDE][SIDE];
static float mean[CHANNELS][SIDE][SIDE];
static uint8_t *targets[TARGETS];

static inline uint16_t to_float16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint32_t sign = bits & 0x80000000u, magnitude = bits ^ sign, half;
  if (magnitude < 113u << 23) {
    float shifted;
    memcpy(&shifted, &magnitude, 4);
    shifted += 0.5f;
    memcpy(&half, &shifted, 4);
    half -= 0x3f000000u;
  } else {
    half = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    if (half > 0x7c00u) half = 0x7c00u;
  }
  return (uint16_t)(half | (sign >> 16));
}

static inline uint16_t to_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/* One function a way, so that the compiler sees every constant. */
#define WAY(name, type, interleaved, convert)                                                         \
  static void name(int record, int top, int left, int mirrored, void *out) {                          \
    type *restrict target = out;                                                                      \
    for (int c = 0; c < CHANNELS; c++)                                                                \
      for (int y = 0; y < CROP; y++) {                                                                \
        const uint8_t *restrict pixels = &records[record][c][top + y][left];                          \
        const float *restrict means = &mean[c][top + y][left];                                        \
        type *restrict to = target + (interleaved ? y * CROP * CHANNELS + c : (c * CROP + y) * CROP); \
        const int step = interleaved ? CHANNELS : 1;                                                  \
        (void)means;                                                                                  \
        if (mirrored)                                                                                 \
          for (int x = 0; x < CROP; x++) to[(CROP - 1 - x) * step] = convert;                         \
        else                                                                                          \
          for (int x = 0; x < CROP; x++) to[x * step] = convert;                                      \
      }                                                                                               \
  }
WAY(uint8_nhwc, uint8_t, 1, pixels[x])
WAY(uint8_nchw, uint8_t, 0, pixels[x])
WAY(float32_nhwc, float, 1, (float)pixels[x] - means[x])
WAY(float32_nchw, float, 0, (float)pixels[x] - means[x])
WAY(float16_nhwc, uint16_t, 1, to_float16((float)pixels[x] - means[x]))
WAY(float16_nchw, uint16_t, 0, to_float16((float)pixels[x] - means[x]))
WAY(bfloat16_nhwc, uint16_t, 1, to_bfloat16((float)pixels[x] - means[x]))
WAY(bfloat16_nchw, uint16_t, 0, to_bfloat16((float)pixels[x] - means[x]))

static double rate(void (*place)(int, int, int, int, void *), int images) {
  struct timespec begin, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (int i = 0; i < images; i++)
    place(i % RECORDS, i % 30, i * 7 % 30, i & 1, targets[i % TARGETS]);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  return images / ((end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9);
}

int main(int argc, char **argv) {
  const int images = argc > 1 ? atoi(argv[1]) : 4000;
  for (size_t i = 0; i < sizeof records; i++) ((uint8_t *)records)[i] = (uint8_t)(i * 2654435761u >> 13);
  for (size_t i = 0; i < sizeof mean / sizeof(float); i++) ((float *)mean)[i] = (float)(i * 2654435761u >> 8) / 65536.0f;
  for (int i = 0; i < TARGETS; i++) {
    targets[i] = malloc(CHANNELS * CROP * CROP * sizeof(float));
    memset(targets[i], 0, CHANNELS * CROP * CROP * sizeof(float));
  }
#define REPORT(name, way, end) printf("\"" name "\": %.0f%s", rate(way, images), end)
  rate(uint8_nchw, images);
  printf("{");
  REPORT("uint8 NHWC", uint8_nhwc, ", ");
  REPORT("uint8 NCHW", uint8_nchw, ", ");
  REPORT("float32 NHWC", float32_nhwc, ", ");
  REPORT("float32 NCHW", float32_nchw, ", ");
  REPORT("float16 NHWC", float16_nhwc, ", ");
  REPORT("float16 NCHW", float16_nchw, ", ");
  REPORT("bfloat16 NHWC", bfloat16_nhwc, ", ");
  REPORT("bfloat16 NCHW", bfloat16_nchw, "}\n");
  return 0;
}
