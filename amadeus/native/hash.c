/* White noise by counting: the values of amadeus/dsp/noise.py, bit for bit. */
#include "team.h"
#include "vector.h"

typedef uint32_t vu __attribute__((vector_size(4 * LANES), aligned(4)));

typedef struct {
    int n_batch, n_samples;
    const uint32_t *keys, *firsts; /* [n_batch] */
    float *noise;                  /* [n_batch, n_samples] */
} hash_t;

/* C. Wellons' lowbias32. */
INLINE vu scramble(vu x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

static void hash_share(void *task, team_t *team, int number) {
    const hash_t *h = task;
    vu count;
    int first, last;
    for (int lane = 0; lane < LANES; lane++) count[lane] = lane;
    team_share(team, number, h->n_batch, &first, &last);
    for (int row = first; row < last; row++) {
        float *noise = h->noise + (long)row * h->n_samples;
        for (int i = 0; i < h->n_samples; i += LANES) {
            vu bits = scramble(scramble(count + (h->firsts[row] + (uint32_t)i + h->keys[row])) ^ h->keys[row]);
            vf values = __builtin_convertvector((vi)(bits >> 8), vf) * 0x1p-23f - 1.0f;
            if (h->n_samples - i >= LANES) store(noise + i, values);
            else store_some(noise + i, values, h->n_samples - i);
        }
    }
}

/* keys: scrambled seeds; firsts: numbers of the first samples. */
int amadeus_uniform(int n_batch, int n_samples, const uint32_t *keys, const uint32_t *firsts, float *noise,
                    int n_threads) {
    hash_t h = {.n_batch = n_batch, .n_samples = n_samples, .keys = keys, .firsts = firsts, .noise = noise};
    team_run(n_batch < n_threads ? n_batch : n_threads, hash_share, &h);
    return 0;
}
