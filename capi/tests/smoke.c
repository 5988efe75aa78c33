/* What the functions of the header do, and what they refuse. */
#include <hopfield_kernels.h>

#include <math.h>
#include <stddef.h>
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
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK);
  EXPECT(fabsf(retrieved[0] - 1) < 1e-3f && fabsf(retrieved[3] - 1) < 1e-3f);
  EXPECT(best[0] == 0 && best[1] == 1);
  EXPECT(fabsf(lse[0] - logf(expf(14.4f) + expf(3.2f))) < 1e-3f);
  EXPECT(entropy[0] >= 0 && entropy[0] < 0.01f);

  recall.separation = HK_SEPARATION_ENTMAX, recall.parameter = 1.5, recall.similarity = HK_SIMILARITY_NEG_L1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK);
  EXPECT(retrieved[0] == 1 && retrieved[1] == 0);

  const uint8_t mask[] = {0, 1};
  const float bias[] = {0, 1};
  recall.mask = mask, recall.bias = bias, recall.similarity = HK_SIMILARITY_DOT;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK && best[0] == 1);

  recall.beta = -1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_INVALID);
  EXPECT(strcmp(hk_last_error(), "beta: expected a finite number above 0, got -1") == 0);
  recall.beta = 1, recall.separation = 99;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_INVALID);
  recall.separation = HK_SEPARATION_SOFTMAX, recall.retrieved_stride = 1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_INVALID);
  recall.retrieved_stride = 2, recall.struct_size = 8;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_INVALID);
  EXPECT(hk_recall_f32(memory, NULL) == HK_STATUS_INVALID && hk_recall_f32(NULL, &recall) == HK_STATUS_INVALID);
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
  EXPECT(hk_memory_f64_set_values(memory, values, 3, 3) == HK_STATUS_OK);
  HkRecallF64 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probe, recall.batch = 1, recall.probe_stride = 2, recall.beta = 100;
  recall.retrieved = retrieved, recall.retrieved_stride = 3;
  EXPECT(hk_recall_f64(memory, &recall) == HK_STATUS_OK);
  EXPECT(fabs(retrieved[0] - 4) < 1e-9 && fabs(retrieved[2] - 6) < 1e-9);
  EXPECT(hk_memory_f64_set_values(memory, NULL, 3, 3) == HK_STATUS_INVALID);
  hk_memory_f64_free(memory);
  return 0;
}

/* What one mask and one bias for each probe change. */
static int masks_and_weights(void) {
  const float patterns[] = {1, 0, 0, 1, -1, 0}, probes[] = {1, 0, 1, 0};
  const uint8_t masks[] = {1, 1, 1, 9, 0, 1, 1, 9};
  const float biases[] = {0, 0, 0, 0, 50, 0};
  float weights[6], similarities[6], best_weight[2];
  size_t best[2], support[2], n, d, e = 7;
  HkMemoryF32 *memory = hk_memory_f32_new(patterns, 3, 2, 2);
  EXPECT(hk_memory_f32_shape(memory, &n, &d, &e) == HK_STATUS_OK);
  EXPECT(n == 3 && d == 2 && e == 0);
  EXPECT(hk_memory_f32_shape(NULL, &n, &d, &e) == HK_STATUS_INVALID);
  HkRecallF32 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probes, recall.batch = 2, recall.probe_stride = 2, recall.beta = 9;
  recall.mask = masks, recall.mask_stride = 4;
  recall.memory_weights = weights, recall.similarities = similarities;
  recall.best = best, recall.best_weight = best_weight, recall.support = support;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK);
  EXPECT(best[0] == 0 && best[1] == 1 && weights[3] == 0 && weights[0] == best_weight[0]);
  EXPECT(similarities[0] == 1 && similarities[2] == -1 && support[0] >= 1);
  recall.mask = NULL, recall.bias = biases, recall.bias_stride = 3;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK && best[0] == 0 && best[1] == 1);
  /* A caller that was compiled when the struct ended here. */
  recall.struct_size = offsetof(HkRecallF32, mask_stride), recall.bias = biases + 3;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_OK && best[0] == 1);
  recall.struct_size -= 1;
  EXPECT(hk_recall_f32(memory, &recall) == HK_STATUS_INVALID);
  EXPECT(strncmp(hk_last_error(), "recall.struct_size: expected at least", 37) == 0);
  hk_memory_f32_free(memory);
  return 0;
}

static int settling(void) {
  const double patterns[] = {1, 0, 0, 1};
  double probes[] = {0.9, 0.2, 0.1, 0.6, NAN, 0};
  uint32_t steps[3];
  int32_t why[3];
  HkMemoryF64 *memory = hk_memory_f64_new(patterns, 2, 2, 2);
  HkRecallF64 recall = {0};
  recall.struct_size = sizeof recall, recall.batch = 3, recall.beta = 16;
  HkSettleF64 settle = {0};
  settle.struct_size = sizeof settle, settle.probes = probes, settle.tolerance = 1e-9;
  settle.steps = steps, settle.settling = why;
  EXPECT(hk_settle_f64(memory, &recall, &settle) == HK_STATUS_OK);
  EXPECT(probes[0] > 0.9999 && probes[3] > 0.999 && steps[0] > 1);
  EXPECT(why[0] <= HK_SETTLING_EXACT && why[2] == HK_SETTLING_NOT_A_NUMBER);
  settle.max_steps = 1, probes[2] = 0.1, probes[3] = 0.6;
  EXPECT(hk_settle_f64(memory, &recall, &settle) == HK_STATUS_OK);
  EXPECT(why[1] == HK_SETTLING_MAX_STEPS && steps[1] == 1);
  settle.damping = 3;
  EXPECT(hk_settle_f64(memory, &recall, &settle) == HK_STATUS_INVALID);
  EXPECT(hk_settle_f64(memory, &recall, NULL) == HK_STATUS_INVALID);
  hk_memory_f64_free(memory);
  return 0;
}

static int learning(void) {
  const double patterns[] = {1, 0, 0, 1}, probe[] = {0.9, 0.2};
  double rows[6], retrieved[2];
  HkMemoryF64 *memory = hk_memory_f64_new(patterns, 2, 2, 2);
  HkRecallF64 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probe, recall.batch = 1, recall.probe_stride = 2, recall.beta = 64;
  recall.retrieved = retrieved, recall.retrieved_stride = 2;
  HkLearn learn = {0};
  learn.struct_size = sizeof learn, learn.eta = 0.5;
  EXPECT(hk_learn_f64(memory, &recall, &learn) == HK_STATUS_OK);
  EXPECT(fabs(retrieved[0] - 1) < 1e-9);
  EXPECT(hk_memory_f64_patterns(memory, rows, 3) == HK_STATUS_OK);
  EXPECT(fabs(rows[0] - 0.95) < 1e-9 && fabs(rows[1] - 0.1) < 1e-9 && rows[4] == 1);
  learn.rule = HK_RULE_CONTRASTIVE, learn.negative_winners = 1, learn.noise = 0.1, learn.seed = 3;
  EXPECT(hk_learn_f64(memory, &recall, &learn) == HK_STATUS_OK);
  learn.rule = 7;
  EXPECT(hk_learn_f64(memory, &recall, &learn) == HK_STATUS_INVALID);
  EXPECT(strcmp(hk_last_error(), "rule: expected an HkRule, got 7") == 0);
  EXPECT(hk_memory_f64_patterns(memory, NULL, 2) == HK_STATUS_INVALID);
  EXPECT(hk_memory_f64_patterns(memory, rows, 1) == HK_STATUS_INVALID);
  hk_memory_f64_free(memory);
  return 0;
}

static int gradients(void) {
  const double patterns[] = {1, 0, 0, 1}, probe[] = {0.5, 0.5}, one[] = {1, 0};
  double dx[2], dm[4], db[2], dbeta, dv[4];
  HkMemoryF64 *memory = hk_memory_f64_new(patterns, 2, 2, 2);
  HkRecallF64 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probe, recall.batch = 1, recall.probe_stride = 2, recall.beta = 4;
  HkGradientsF64 gradients = {0};
  gradients.struct_size = sizeof gradients, gradients.steps = 1, gradients.d_retrieved = one;
  gradients.probes = dx, gradients.patterns = dm, gradients.bias = db, gradients.beta = &dbeta;
  EXPECT(hk_backward_f64(memory, &recall, &gradients) == HK_STATUS_OK);
  /* beta (diag p - p p') g, with both weights one half. */
  EXPECT(dx[0] == 1 && dx[1] == -1 && db[0] == 0.25 && dbeta == 0 && dm[0] == 1);
  gradients.steps = 3;
  EXPECT(hk_backward_f64(memory, &recall, &gradients) == HK_STATUS_OK);
  gradients.steps = 0;
  EXPECT(hk_backward_f64(memory, &recall, &gradients) == HK_STATUS_OK);
  EXPECT(dx[0] == 0);
  gradients.values = dv;
  EXPECT(hk_backward_f64(memory, &recall, &gradients) == HK_STATUS_INVALID);
  hk_memory_f64_free(memory);
  return 0;
}

static int top_k(void) {
  const float patterns[] = {1, 0, 0, 1, 0.7f, 0.7f}, probe[] = {0, 1};
  size_t indices[2];
  float scores[2];
  HkMemoryF32 *memory = hk_memory_f32_new(patterns, 3, 2, 2);
  HkRecallF32 recall = {0};
  recall.struct_size = sizeof recall;
  recall.probes = probe, recall.batch = 1, recall.probe_stride = 2;
  HkTopKF32 top_k = {0};
  top_k.struct_size = sizeof top_k, top_k.k = 2, top_k.indices = indices, top_k.scores = scores;
  EXPECT(hk_top_k_f32(memory, &recall, &top_k) == HK_STATUS_OK);
  EXPECT(indices[0] == 1 && indices[1] == 2 && scores[0] == 1);
  top_k.k = 4;
  EXPECT(hk_top_k_f32(memory, &recall, &top_k) == HK_STATUS_INVALID);
  top_k.indices = NULL;
  EXPECT(hk_top_k_f32(memory, &recall, &top_k) == HK_STATUS_INVALID);
  hk_memory_f32_free(memory);
  return 0;
}

int main(void) {
  EXPECT(strlen(hk_version()) >= 5);
  return single() || with_values() || masks_and_weights() || settling() || learning() ||
         gradients() || top_k();
}
