/* CPU kernels for modern Hopfield networks (dense associative memories).
 *
 * Matrices are row-major: rows of consecutive elements, the start of each a stride of elements
 * after that of the row before. A call that is refused has changed nothing. Made by cbindgen. */

#ifndef HOPFIELD_KERNELS_H
#define HOPFIELD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// What a call returns.
typedef enum HkStatus {
  // Done.
  HK_STATUS_OK = 0,
  // An argument does not fit.
  HK_STATUS_INVALID = 1,
  // A bug of the library.
  HK_STATUS_PANIC = 2,
} HkStatus;

// How alike a probe and a pattern are: larger is more alike.
typedef enum HkSimilarity {
  // m · x
  HK_SIMILARITY_DOT = 0,
  // m · x / (|m| |x|)
  HK_SIMILARITY_COSINE = 1,
  // -|x - m|² / 2
  HK_SIMILARITY_NEG_HALF_SQUARED_L2 = 2,
  // -|x - m|
  HK_SIMILARITY_NEG_L2 = 3,
  // -Σ |x_d - m_d|
  HK_SIMILARITY_NEG_L1 = 4,
} HkSimilarity;

// How scores become memory weights. Those with a letter take it as `parameter`.
typedef enum HkSeparation {
  // exp, normalised.
  HK_SEPARATION_SOFTMAX = 0,
  // c: softmax with c in the sum.
  HK_SEPARATION_SOFTMAX_PLUS = 1,
  // The projection onto the simplex.
  HK_SEPARATION_SPARSEMAX = 2,
  // alpha, above 1
  HK_SEPARATION_ENTMAX = 3,
  // alpha, above 1
  HK_SEPARATION_NORMMAX = 4,
  // k
  HK_SEPARATION_K_SUBSETS = 5,
  // k: softmax of the k largest.
  HK_SEPARATION_TOP_K = 6,
  // k: 1 / k each.
  HK_SEPARATION_HARD_TOP_K = 7,
  // The largest alone.
  HK_SEPARATION_MAX = 8,
  // n
  HK_SEPARATION_POLYNOMIAL = 9,
  // p
  HK_SEPARATION_POWER = 10,
  // k
  HK_SEPARATION_EPANECHNIKOV = 11,
} HkSeparation;

// The rule by which patterns learn from P, the memory weights of the probes X.
typedef enum HkRule {
  // Pᵀ (X - X̂) / B, where X̂ is what is retrieved
  HK_RULE_DELTA = 0,
  // (Pᵀ X - P⁻ᵀ X⁻) / B, where X⁻ is retrieved and P⁻ its weights
  HK_RULE_CONTRASTIVE = 1,
  // Pᵀ X / B
  HK_RULE_ENERGY = 2,
} HkRule;

// Why a probe is updated no more.
typedef enum HkSettling {
  // The last update has moved it by at most the tolerance.
  HK_SETTLING_CONVERGED = 0,
  // The last update has given the probe itself, bit for bit.
  HK_SETTLING_EXACT = 1,
  // It may still move.
  HK_SETTLING_MAX_STEPS = 2,
  // It is not finite.
  HK_SETTLING_NOT_A_NUMBER = 3,
} HkSettling;

// Stored patterns, and the scratch memory of calls on them: for one thread at a time.
typedef struct HkMemoryF32 HkMemoryF32;

// Stored patterns, and the scratch memory of calls on them: for one thread at a time.
typedef struct HkMemoryF64 HkMemoryF64;

// A recall of `batch` probes from N patterns of D elements. Set all members to zero first, then
// `struct_size` to the size of this struct. A pointer that may be NULL stands for what is not
// there, or is not wanted. Arrays that are written overlap no others.
typedef struct HkRecallF32 {
  // The size of this struct.
  size_t struct_size;
  // batch rows of D elements
  const float *probes;
  // The number of probes.
  size_t batch;
  // Elements from one probe to the next.
  size_t probe_stride;
  // The inverse temperature, above 0.
  float beta;
  // An HkSimilarity.
  int32_t similarity;
  // An HkSeparation.
  int32_t separation;
  // The parameter of the separation.
  double parameter;
  // N, or batch rows of N, or NULL: 0 where a pattern takes no part.
  const uint8_t *mask;
  // N, or batch rows of N, or NULL: added to the scores.
  const float *bias;
  // batch rows of D elements (of E with values), or NULL
  float *retrieved;
  // Elements from one row of `retrieved` to the next.
  size_t retrieved_stride;
  // batch, or NULL
  float *energy;
  // batch, or NULL: the log of the sum of exp, or the potential of the separation.
  float *lse;
  // batch, or NULL: of the memory weights, in nats.
  float *entropy;
  // batch, or NULL: the pattern with the largest score, SIZE_MAX where there is none.
  size_t *best;
  // 0 for one mask of all probes, or elements from the mask of one probe to the next.
  size_t mask_stride;
  // 0 for one bias of all probes, or elements from the bias of one probe to the next.
  size_t bias_stride;
  // batch, or NULL: the memory weight of `best`.
  float *best_weight;
  // batch, or NULL: how many memory weights are not 0.
  size_t *support;
  // batch rows of N, one after the other, or NULL
  float *similarities;
  // batch rows of N, one after the other, or NULL
  float *memory_weights;
} HkRecallF32;

// Updates of probes until each settles. Set all members to zero first, then `struct_size` to the
// size of this struct.
typedef struct HkSettleF32 {
  // The size of this struct.
  size_t struct_size;
  // batch rows of D elements, one after the other: they are updated.
  float *probes;
  // A probe x has settled once an update moves it by at most tolerance (1 + |x|).
  double tolerance;
  // The part of the way that an update goes, at most 1; 0 for all of it.
  double damping;
  // The largest number of updates; 0 for a thousand.
  uint32_t max_steps;
  // batch, or NULL: the updates that each probe has taken.
  uint32_t *steps;
  // batch, or NULL: an HkSettling for each probe.
  int32_t *settling;
} HkSettleF32;

// How patterns learn: M + eta ΔM - reg_lambda M - l1_lambda sign(M). Set all members to zero
// first, then `struct_size` to the size of this struct.
typedef struct HkLearn {
  // The size of this struct.
  size_t struct_size;
  // An HkRule.
  int32_t rule;
  // The recalls of the contrastive rule's negative phase; 0 for one.
  uint32_t negative_steps;
  // The rate.
  double eta;
  // The decay in proportion, which is not scaled by eta.
  double reg_lambda;
  // The decay at a constant rate.
  double l1_lambda;
  // The inverse temperature of the negative phase; 0 for that of the recall.
  double negative_beta;
  // With k above 0, the negative phase has a weight of 1 for each of the k most similar
  // patterns.
  size_t negative_winners;
  // The standard deviation of noise that is added to all patterns.
  double noise;
  // The noise depends on this ...
  uint64_t seed;
  // ... and on this, which should count the updates.
  uint64_t step;
} HkLearn;

// The gradients of a loss with respect to the outputs of a recall (read) and with respect to its
// operands (written). Matrices are rows one after the other. Set all members to zero first, then
// `struct_size` to the size of this struct.
typedef struct HkGradientsF32 {
  // The size of this struct.
  size_t struct_size;
  // The weighings that the recall has made; 0 for probes that have settled, whose gradients are
  // those of the fixed point.
  size_t steps;
  // batch rows of D elements (of E with values), or NULL
  const float *d_retrieved;
  // batch, or NULL
  const float *d_lse;
  // batch, or NULL
  const float *d_energy;
  // batch rows of D elements, or NULL
  float *probes;
  // N rows of D elements, or NULL; the whole gradient if there are no values.
  float *patterns;
  // N rows of E elements, or NULL; of a memory with values.
  float *values;
  // N, or batch rows of N where each probe has its own bias, or NULL
  float *bias;
  // One number, or NULL
  float *beta;
} HkGradientsF32;

// The k patterns with the largest dot products, the largest first, of equals the one with the
// lower index. Set all members to zero first, then `struct_size` to the size of this struct.
typedef struct HkTopKF32 {
  // The size of this struct.
  size_t struct_size;
  // At most the number of patterns.
  size_t k;
  // batch rows of k, one after the other; SIZE_MAX for a probe that is not finite.
  size_t *indices;
  // batch rows of k, one after the other
  float *scores;
} HkTopKF32;

// A recall of `batch` probes from N patterns of D elements. Set all members to zero first, then
// `struct_size` to the size of this struct. A pointer that may be NULL stands for what is not
// there, or is not wanted. Arrays that are written overlap no others.
typedef struct HkRecallF64 {
  // The size of this struct.
  size_t struct_size;
  // batch rows of D elements
  const double *probes;
  // The number of probes.
  size_t batch;
  // Elements from one probe to the next.
  size_t probe_stride;
  // The inverse temperature, above 0.
  double beta;
  // An HkSimilarity.
  int32_t similarity;
  // An HkSeparation.
  int32_t separation;
  // The parameter of the separation.
  double parameter;
  // N, or batch rows of N, or NULL: 0 where a pattern takes no part.
  const uint8_t *mask;
  // N, or batch rows of N, or NULL: added to the scores.
  const double *bias;
  // batch rows of D elements (of E with values), or NULL
  double *retrieved;
  // Elements from one row of `retrieved` to the next.
  size_t retrieved_stride;
  // batch, or NULL
  double *energy;
  // batch, or NULL: the log of the sum of exp, or the potential of the separation.
  double *lse;
  // batch, or NULL: of the memory weights, in nats.
  double *entropy;
  // batch, or NULL: the pattern with the largest score, SIZE_MAX where there is none.
  size_t *best;
  // 0 for one mask of all probes, or elements from the mask of one probe to the next.
  size_t mask_stride;
  // 0 for one bias of all probes, or elements from the bias of one probe to the next.
  size_t bias_stride;
  // batch, or NULL: the memory weight of `best`.
  double *best_weight;
  // batch, or NULL: how many memory weights are not 0.
  size_t *support;
  // batch rows of N, one after the other, or NULL
  double *similarities;
  // batch rows of N, one after the other, or NULL
  double *memory_weights;
} HkRecallF64;

// Updates of probes until each settles. Set all members to zero first, then `struct_size` to the
// size of this struct.
typedef struct HkSettleF64 {
  // The size of this struct.
  size_t struct_size;
  // batch rows of D elements, one after the other: they are updated.
  double *probes;
  // A probe x has settled once an update moves it by at most tolerance (1 + |x|).
  double tolerance;
  // The part of the way that an update goes, at most 1; 0 for all of it.
  double damping;
  // The largest number of updates; 0 for a thousand.
  uint32_t max_steps;
  // batch, or NULL: the updates that each probe has taken.
  uint32_t *steps;
  // batch, or NULL: an HkSettling for each probe.
  int32_t *settling;
} HkSettleF64;

// The gradients of a loss with respect to the outputs of a recall (read) and with respect to its
// operands (written). Matrices are rows one after the other. Set all members to zero first, then
// `struct_size` to the size of this struct.
typedef struct HkGradientsF64 {
  // The size of this struct.
  size_t struct_size;
  // The weighings that the recall has made; 0 for probes that have settled, whose gradients are
  // those of the fixed point.
  size_t steps;
  // batch rows of D elements (of E with values), or NULL
  const double *d_retrieved;
  // batch, or NULL
  const double *d_lse;
  // batch, or NULL
  const double *d_energy;
  // batch rows of D elements, or NULL
  double *probes;
  // N rows of D elements, or NULL; the whole gradient if there are no values.
  double *patterns;
  // N rows of E elements, or NULL; of a memory with values.
  double *values;
  // N, or batch rows of N where each probe has its own bias, or NULL
  double *bias;
  // One number, or NULL
  double *beta;
} HkGradientsF64;

// The k patterns with the largest dot products, the largest first, of equals the one with the
// lower index. Set all members to zero first, then `struct_size` to the size of this struct.
typedef struct HkTopKF64 {
  // The size of this struct.
  size_t struct_size;
  // At most the number of patterns.
  size_t k;
  // batch rows of k, one after the other; SIZE_MAX for a probe that is not finite.
  size_t *indices;
  // batch rows of k, one after the other
  double *scores;
} HkTopKF64;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What was wrong with the last call of this thread that was refused. It stays until the next one.
const char *hk_last_error(void);

// The version of the library, such as "0.1.0".
const char *hk_version(void);

// Copies `patterns` rows of `dim` elements into a memory. NULL where they are refused.
//
// # Safety
// `rows` is null or points to `patterns` rows of `dim` elements, `stride` apart.
struct HkMemoryF32 *hk_memory_f32_new(const float *rows,
                                      size_t patterns,
                                      size_t dim,
                                      size_t stride);

// Gives the patterns values, which are retrieved in their place: a row of `dim` elements
// for each pattern.
//
// # Safety
// `memory` is null or a memory that no other thread uses; `rows` is null or points to a
// row of `dim` elements for each pattern, `stride` apart.
enum HkStatus hk_memory_f32_set_values(struct HkMemoryF32 *memory,
                                       const float *rows,
                                       size_t dim,
                                       size_t stride);

// Tells N, D and E (0 without values). What is NULL is not told.
//
// # Safety
// `memory` is null or a memory that no other thread changes; the others are null or point
// to numbers.
enum HkStatus hk_memory_f32_shape(const struct HkMemoryF32 *memory,
                                  size_t *patterns,
                                  size_t *dim,
                                  size_t *value_dim);

// Copies the patterns, N rows of D elements that are `stride` apart, to `rows`.
//
// # Safety
// `memory` is null or a memory that no other thread changes; `rows` is null or points to
// such rows.
enum HkStatus hk_memory_f32_patterns(const struct HkMemoryF32 *memory,
                                     float *rows,
                                     size_t stride);

// Frees a memory. NULL is allowed.
//
// # Safety
// `memory` is null or a memory, which is not used again.
void hk_memory_f32_free(struct HkMemoryF32 *memory);

// Copies `patterns` rows of `dim` elements into a memory. NULL where they are refused.
//
// # Safety
// `rows` is null or points to `patterns` rows of `dim` elements, `stride` apart.
struct HkMemoryF64 *hk_memory_f64_new(const double *rows,
                                      size_t patterns,
                                      size_t dim,
                                      size_t stride);

// Gives the patterns values, which are retrieved in their place: a row of `dim` elements
// for each pattern.
//
// # Safety
// `memory` is null or a memory that no other thread uses; `rows` is null or points to a
// row of `dim` elements for each pattern, `stride` apart.
enum HkStatus hk_memory_f64_set_values(struct HkMemoryF64 *memory,
                                       const double *rows,
                                       size_t dim,
                                       size_t stride);

// Tells N, D and E (0 without values). What is NULL is not told.
//
// # Safety
// `memory` is null or a memory that no other thread changes; the others are null or point
// to numbers.
enum HkStatus hk_memory_f64_shape(const struct HkMemoryF64 *memory,
                                  size_t *patterns,
                                  size_t *dim,
                                  size_t *value_dim);

// Copies the patterns, N rows of D elements that are `stride` apart, to `rows`.
//
// # Safety
// `memory` is null or a memory that no other thread changes; `rows` is null or points to
// such rows.
enum HkStatus hk_memory_f64_patterns(const struct HkMemoryF64 *memory,
                                     double *rows,
                                     size_t stride);

// Frees a memory. NULL is allowed.
//
// # Safety
// `memory` is null or a memory, which is not used again.
void hk_memory_f64_free(struct HkMemoryF64 *memory);

// Recalls, and writes the outputs that are not NULL.
//
// # Safety
// `memory` is null or a memory that no other thread uses; `recall` is null or points to a
// struct whose pointers are null or point to as many elements as it says, of which those
// that are written overlap no others.
enum HkStatus hk_recall_f32(struct HkMemoryF32 *memory, const struct HkRecallF32 *recall);

// Updates the probes of `settle` until each settles. Of `recall` it takes the number of
// probes and how they are weighed.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_settle_f32(struct HkMemoryF32 *memory,
                            const struct HkRecallF32 *recall,
                            const struct HkSettleF32 *settle);

// Recalls, writes the outputs that are not NULL, and learns from that recall.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_learn_f32(struct HkMemoryF32 *memory,
                           const struct HkRecallF32 *recall,
                           const struct HkLearn *learn);

// The gradients of a loss. The outputs of `recall` are not written.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_backward_f32(struct HkMemoryF32 *memory,
                              const struct HkRecallF32 *recall,
                              const struct HkGradientsF32 *gradients);

// The most similar patterns of the probes of `recall`, of which nothing else is used.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_top_k_f32(struct HkMemoryF32 *memory,
                           const struct HkRecallF32 *recall,
                           const struct HkTopKF32 *top_k);

// Recalls, and writes the outputs that are not NULL.
//
// # Safety
// `memory` is null or a memory that no other thread uses; `recall` is null or points to a
// struct whose pointers are null or point to as many elements as it says, of which those
// that are written overlap no others.
enum HkStatus hk_recall_f64(struct HkMemoryF64 *memory, const struct HkRecallF64 *recall);

// Updates the probes of `settle` until each settles. Of `recall` it takes the number of
// probes and how they are weighed.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_settle_f64(struct HkMemoryF64 *memory,
                            const struct HkRecallF64 *recall,
                            const struct HkSettleF64 *settle);

// Recalls, writes the outputs that are not NULL, and learns from that recall.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_learn_f64(struct HkMemoryF64 *memory,
                           const struct HkRecallF64 *recall,
                           const struct HkLearn *learn);

// The gradients of a loss. The outputs of `recall` are not written.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_backward_f64(struct HkMemoryF64 *memory,
                              const struct HkRecallF64 *recall,
                              const struct HkGradientsF64 *gradients);

// The most similar patterns of the probes of `recall`, of which nothing else is used.
//
// # Safety
// As for a recall, of both structs.
enum HkStatus hk_top_k_f64(struct HkMemoryF64 *memory,
                           const struct HkRecallF64 *recall,
                           const struct HkTopKF64 *top_k);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HOPFIELD_KERNELS_H */
