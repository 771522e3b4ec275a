/*
 * The floor of the pixels bench: libjpeg-turbo and OpenCV's bilinear in C, and nothing else. Reads a pack of JPEGs (u32 count, then
 * u32 size and bytes of each, little-endian), makes 256 x 256 planar B, G, R of each, and prints a JSON line. With FILE it also
 * stores what it makes, as long as Caffe's records are, one after the other, and flushes the file at the end.
 *
 * usage: pixels-floor PACK ROUNDS [FILE]
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <jpeglib.h>

#define SIZE 256
/* Of a Datum of 3 x 256 x 256: fields before and behind the pixels. */
#define HEAD_BYTES 12
#define TAIL_BYTES 5

typedef struct {
  int first[SIZE], second[SIZE];
  int16_t first_weight[SIZE], second_weight[SIZE];
} taps_t;

static void find_taps(taps_t *taps, int source_size, int is_across) {
  double scale = 1 / ((double)SIZE / source_size);
  int last = source_size - 1;
  for (int i = 0; i < SIZE; i++) {
    float position = (float)((i + 0.5) * scale - 0.5);
    int index = (int)floorf(position);
    float fraction = position - index;
    if (is_across && (index < 0 || index >= last)) {
      index = index < 0 ? 0 : last;
      fraction = 0;
    }
    taps->first[i] = index < 0 ? 0 : index > last ? last : index;
    taps->second[i] = index + 1 < 0 ? 0 : index + 1 > last ? last : index + 1;
    taps->first_weight[i] = (int16_t)lrintf((1 - fraction) * 2048);
    taps->second_weight[i] = (int16_t)lrintf(fraction * 2048);
  }
}

static void resize_row(const uint8_t *row, const taps_t *across, int16_t to[3][SIZE]) {
  for (int x = 0; x < SIZE; x++) {
    const uint8_t *a = row + across->first[x] * 3;
    const uint8_t *b = row + across->second[x] * 3;
    int wa = across->first_weight[x], wb = across->second_weight[x];
    to[0][x] = (int16_t)((a[2] * wa + b[2] * wb) >> 4);
    to[1][x] = (int16_t)((a[1] * wa + b[1] * wb) >> 4);
    to[2][x] = (int16_t)((a[0] * wa + b[0] * wb) >> 4);
  }
}

static void resize_image(const uint8_t *source, int width, int height, uint8_t *target) {
  static taps_t across, down;
  static int16_t buffers[2][3][SIZE];
  find_taps(&across, width, 1);
  find_taps(&down, height, 0);
  int16_t(*upper)[SIZE] = buffers[0], (*lower)[SIZE] = buffers[1];
  int upper_row = -1, lower_row = -1;
  for (int y = 0; y < SIZE; y++) {
    if (upper_row != down.first[y] && lower_row == down.first[y]) {
      int16_t(*swap)[SIZE] = upper;
      upper = lower;
      lower = swap;
      lower_row = upper_row;
      upper_row = down.first[y];
    }
    if (upper_row != down.first[y]) resize_row(source + (size_t)down.first[y] * width * 3, &across, upper);
    if (lower_row != down.second[y]) resize_row(source + (size_t)down.second[y] * width * 3, &across, lower);
    upper_row = down.first[y];
    lower_row = down.second[y];
    int wa = down.first_weight[y], wb = down.second_weight[y];
    for (int channel = 0; channel < 3; channel++) {
      uint8_t *to = target + (channel * SIZE + y) * SIZE;
      const int16_t *a = upper[channel], *b = lower[channel];
      for (int x = 0; x < SIZE; x++) to[x] = (uint8_t)((((a[x] * wa) >> 16) + ((b[x] * wb) >> 16) + 2) >> 2);
    }
  }
}

static double cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static double wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 || argc == 4 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) return 2;
  fseek(file, 0, SEEK_END);
  long bytes = ftell(file);
  uint8_t *pack = malloc(bytes);
  rewind(file);
  if (fread(pack, 1, bytes, file) != (size_t)bytes) return 2;
  fclose(file);
  int store = argc == 4 ? open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
  if (argc == 4 && store < 0) return 2;
  int rounds = atoi(argv[2]);
  uint32_t count;
  memcpy(&count, pack, 4);

  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  decoder.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&decoder);
  static uint8_t record[HEAD_BYTES + 3 * SIZE * SIZE + TAIL_BYTES];
  uint8_t *pixels = NULL, *target = record + HEAD_BYTES;
  size_t capacity = 0;
  uint32_t checksum = 0;
  double cpu = 0, wall = 0;
  /* The first round warms up and makes the checksum. */
  for (int round = 0; round <= rounds; round++) {
    if (round == 1) {
      cpu = cpu_ms();
      wall = wall_ms();
    }
    const uint8_t *at = pack + 4;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t size;
      memcpy(&size, at, 4);
      jpeg_mem_src(&decoder, at + 4, size);
      at += 4 + size;
      jpeg_read_header(&decoder, TRUE);
      decoder.out_color_space = JCS_RGB;
      jpeg_start_decompress(&decoder);
      size_t stride = (size_t)decoder.output_width * 3;
      if (stride * decoder.output_height > capacity) pixels = realloc(pixels, capacity = stride * decoder.output_height);
      while (decoder.output_scanline < decoder.output_height) {
        JSAMPROW rows[4];
        for (int row = 0; row < 4; row++) rows[row] = pixels + (decoder.output_scanline + row) * stride;
        jpeg_read_scanlines(&decoder, rows, 4);
      }
      jpeg_finish_decompress(&decoder);
      resize_image(pixels, decoder.output_width, decoder.output_height, target);
      if (store >= 0 && write(store, record, sizeof record) != sizeof record) return 1;
      if (round == 0) {
        for (int k = 0; k < 3 * SIZE * SIZE; k++) checksum = checksum * 31 + target[k];
      }
    }
  }
  if (store >= 0 && (fsync(store) != 0 || close(store) != 0)) return 1;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"numImages\":%u,\"cpuMs\":%f,\"wallMs\":%f,\"peakKb\":%ld,\"checksum\":%u}\n", count * rounds, cpu_ms() - cpu,
         wall_ms() - wall, usage.ru_maxrss, checksum);
  return 0;
}
