/* CPU kernels for modern Hopfield networks (dense associative memories).
 *
 * Matrices are row-major: rows of consecutive elements, the start of each `stride` elements after
 * that of the one before. A call that is refused has changed nothing. */
#ifndef HOPFIELD_KERNELS_H
#define HOPFIELD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns. */
typedef enum HkStatus {
  HK_OK = 0,
  /* An argument does not fit: see hk_last_error. */
  HK_INVALID = 1,
  /* A bug of the library. */
  HK_PANIC = 2
} HkStatus;

/* How alike a probe and a pattern are: larger is more alike. */
typedef enum HkSimilarity {
  HK_DOT = 0,
  HK_COSINE = 1,
  HK_NEG_HALF_SQUARED_L2 = 2,
  HK_NEG_L2 = 3,
  HK_NEG_L1 = 4
} HkSimilarity;

/* How scores become memory weights. Those with a letter take it as the parameter of the recall. */
typedef enum HkSeparation {
  HK_SOFTMAX = 0,
  HK_SOFTMAX_PLUS = 1, /* c */
  HK_SPARSEMAX = 2,
  HK_ENTMAX = 3,     /* alpha */
  HK_NORMMAX = 4,    /* alpha */
  HK_K_SUBSETS = 5,  /* k */
  HK_TOP_K = 6,      /* k */
  HK_HARD_TOP_K = 7, /* k */
  HK_MAX = 8,
  HK_POLYNOMIAL = 9,   /* n */
  HK_POWER = 10,       /* p */
  HK_EPANECHNIKOV = 11 /* k */
} HkSeparation;

/* Stored patterns, and the scratch memory of calls on them: for one thread at a time. */
typedef struct HkMemoryF32 HkMemoryF32;
typedef struct HkMemoryF64 HkMemoryF64;

/* A recall of `batch` probes from N patterns. Set all members to zero first, then struct_size to
 * the size of this struct. What may be NULL is not there, or is not written. */
typedef struct HkRecallF32 {
  size_t struct_size;
  const float *probes; /* batch rows of D elements */
  size_t batch;
  size_t probe_stride;
  float beta;            /* above 0 */
  int32_t similarity;    /* an HkSimilarity */
  int32_t separation;    /* an HkSeparation */
  double parameter;      /* of the separation */
  const uint8_t *mask;   /* N, or NULL; 0 where a pattern takes no part */
  const float *bias;     /* N, or NULL; added to the scores */
  float *retrieved;      /* batch rows of D elements (of E with values), or NULL */
  size_t retrieved_stride;
  float *energy;         /* batch, or NULL */
  float *lse;            /* batch, or NULL */
  float *entropy;        /* batch, or NULL */
  size_t *best;          /* batch, or NULL; SIZE_MAX where there is none */
} HkRecallF32;

/* The same in double precision. */
typedef struct HkRecallF64 {
  size_t struct_size;
  const double *probes;
  size_t batch;
  size_t probe_stride;
  double beta;
  int32_t similarity;
  int32_t separation;
  double parameter;
  const uint8_t *mask;
  const double *bias;
  double *retrieved;
  size_t retrieved_stride;
  double *energy;
  double *lse;
  double *entropy;
  size_t *best;
} HkRecallF64;

/* What was wrong with the last call of this thread that was refused. It stays until the next one. */
const char *hk_last_error(void);

/* The version of the library, such as "0.1.0". */
const char *hk_version(void);

/* Copies `patterns` rows of `dim` elements. NULL where they are refused. */
HkMemoryF32 *hk_memory_f32_new(const float *rows, size_t patterns, size_t dim, size_t stride);
HkMemoryF64 *hk_memory_f64_new(const double *rows, size_t patterns, size_t dim, size_t stride);

/* Gives the patterns values, which are retrieved in their place: a row of `dim` elements for each. */
HkStatus hk_memory_f32_set_values(HkMemoryF32 *memory, const float *rows, size_t dim,
                                  size_t stride);
HkStatus hk_memory_f64_set_values(HkMemoryF64 *memory, const double *rows, size_t dim,
                                  size_t stride);

/* Frees a memory. NULL is allowed. */
void hk_memory_f32_free(HkMemoryF32 *memory);
void hk_memory_f64_free(HkMemoryF64 *memory);

/* Recalls. Arrays that are written overlap no others. */
HkStatus hk_recall_f32(HkMemoryF32 *memory, const HkRecallF32 *recall);
HkStatus hk_recall_f64(HkMemoryF64 *memory, const HkRecallF64 *recall);

#ifdef __cplusplus
}
#endif

#endif /* HOPFIELD_KERNELS_H */
