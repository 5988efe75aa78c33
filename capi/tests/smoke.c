/* Every function of the header, once or twice. */
#include <hopfield_kernels.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%d: %s (%s)\n", __LINE__, #condition, hk_last_error());  \
      return 1;                                                                 \
    }                                                                           \
  } while (0)

static int single(void) {
  /* Two patterns, three elements apart, and two probes. */
  const float patterns[] = {1, 0, 9, 0, 1}, probes[] = {0.9f, 0.2f, 0.1f, 0.8f};
  float retrieved[4], energy[2], lse[2], entropy[2];
  size_t best[2];
  HkMemoryF32 *memory = hk_memory_f32_new(patterns, 2, 2, 3);
  EXPECT(memory != NULL);
  HkRecallF32 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probes, recall.batch = 2, recall.probe_stride = 2;
  recall.beta = 16.0f;
  recall.retrieved = retrieved, recall.retrieved_stride = 2;
  recall.energy = energy, recall.lse = lse, recall.entropy = entropy, recall.best = best;
  EXPECT(hk_recall_f32(memory, &recall) == HK_OK);
  EXPECT(fabsf(retrieved[0] - 1) < 1e-3f && fabsf(retrieved[3] - 1) < 1e-3f);
  EXPECT(best[0] == 0 && best[1] == 1);
  EXPECT(fabsf(lse[0] - logf(expf(14.4f) + expf(3.2f))) < 1e-3f);
  EXPECT(entropy[0] >= 0 && entropy[0] < 0.01f);

  recall.separation = HK_ENTMAX, recall.parameter = 1.5, recall.similarity = HK_NEG_L1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_OK);
  EXPECT(retrieved[0] == 1 && retrieved[1] == 0);

  const uint8_t mask[] = {0, 1};
  const float bias[] = {0, 1};
  recall.mask = mask, recall.bias = bias, recall.similarity = HK_DOT;
  EXPECT(hk_recall_f32(memory, &recall) == HK_OK && best[0] == 1);

  recall.beta = -1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_INVALID);
  EXPECT(strcmp(hk_last_error(), "beta: expected a finite number above 0, got -1") == 0);
  recall.beta = 1, recall.separation = 99;
  EXPECT(hk_recall_f32(memory, &recall) == HK_INVALID);
  recall.separation = HK_SOFTMAX, recall.retrieved_stride = 1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_INVALID);
  recall.retrieved_stride = 2, recall.struct_size = 8;
  EXPECT(hk_recall_f32(memory, &recall) == HK_INVALID);
  EXPECT(hk_recall_f32(memory, NULL) == HK_INVALID && hk_recall_f32(NULL, &recall) == HK_INVALID);
  EXPECT(hk_memory_f32_new(NULL, 2, 2, 2) == NULL && hk_memory_f32_new(patterns, 0, 2, 2) == NULL);
  hk_memory_f32_free(memory);
  hk_memory_f32_free(NULL);
  return 0;
}

static int with_values(void) {
  const double patterns[] = {1, 0, 0, 1}, values[] = {1, 2, 3, 4, 5, 6}, probe[] = {0, 1};
  double retrieved[3];
  HkMemoryF64 *memory = hk_memory_f64_new(patterns, 2, 2, 2);
  EXPECT(memory != NULL);
  EXPECT(hk_memory_f64_set_values(memory, values, 3, 3) == HK_OK);
  HkRecallF64 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probe, recall.batch = 1, recall.probe_stride = 2, recall.beta = 100;
  recall.retrieved = retrieved, recall.retrieved_stride = 3;
  EXPECT(hk_recall_f64(memory, &recall) == HK_OK);
  EXPECT(fabs(retrieved[0] - 4) < 1e-9 && fabs(retrieved[2] - 6) < 1e-9);
  EXPECT(hk_memory_f64_set_values(memory, NULL, 3, 3) == HK_INVALID);
  hk_memory_f64_free(memory);
  return 0;
}

int main(void) {
  EXPECT(strlen(hk_version()) >= 5);
  return single() || with_values();
}
