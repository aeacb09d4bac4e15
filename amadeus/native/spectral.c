/* The multi-scale spectral loss and its slope, scale by scale.
 *
 * The equations are those of amadeus/dsp/spectral_loss.py. Long frames are compared one after the other, short ones
 * many at once.
 */
#include <math.h>
#include <stdlib.h>

#include "spectral.h"
#include "team.h"

/* Below it many frames fit the caches together, and there is nothing to lay across. */
#define WIDE_FROM 512

typedef struct {
    const scale_t *scales;
    int n_scales, failed;
} loss_t;

INLINE int is_wide(const scale_t *s) { return s->wide.size > 0; }

static void compare_share(void *task, team_t *team, int number) {
    loss_t *loss = task;
    size_t n_bytes = 0;
    int n_samples = loss->scales->n_samples, first, last;
    for (int i = 0; i < loss->n_scales; i++) {
        const scale_t *s = loss->scales + i;
        size_t needed = is_wide(s) ? amadeus_wide_memory(s) : amadeus_narrow_memory(s);
        if (needed > n_bytes) n_bytes = needed;
    }
    void *memory = aligned_alloc(64, (n_bytes + 63) / 64 * 64);
    if (!memory) {
        loss->failed = 1;
        return;
    }
    team_share(team, number, loss->scales->n_batch, &first, &last);
    for (int row = first; row < last; row++) {
        for (int i = 0; i < loss->n_scales; i++) {
            const scale_t *s = loss->scales + i;
            float *slopes = s->slopes ? s->slopes + (long)row * n_samples : 0;
            double distance = is_wide(s) ? amadeus_compare_wide(s, memory, row, slopes)
                                         : amadeus_compare_narrow(s, memory, row, slopes);
            s->distances[row] += (double)s->share * distance;
        }
    }
    free(memory);
}

/* Tables of one scale: those of its transform, and the window. */
#define TABLE_SIZE(size) (WIDE_TABLE(size) + (size_t)(size))

static void make_tables(scale_t *s, float *roots) {
    const int size = s->size;
    float *window = roots + WIDE_TABLE(size);
    if (size >= WIDE_FROM && size >= MIN_WIDE && size <= MAX_WIDE) s->wide = make_wide(roots, size);
    else make_roots(roots, size);
    for (int k = 0; k < size; k++) window[k] = 0.5f - 0.5f * roots[2 * k];
    s->roots = roots, s->window = window;
}

/* target, audio, slopes [n_batch, n_samples]; sizes are powers of two from 64 on; distances [n_batch] and slopes are
 * zeros when they come in, and slopes may be null. Returns 0, or 1 where memory is short. */
int amadeus_spectral_distances(int n_batch, int n_samples, const float *target, const float *audio,
                               const int *sizes, int n_sizes, float mag_weight, float logmag_weight, float floor,
                               double *distances, float *slopes, int n_threads) {
    size_t n_table = 0;
    for (int i = 0; i < n_sizes; i++) n_table += TABLE_SIZE(sizes[i]);
    scale_t scales[n_sizes];
    float *tables = malloc(sizeof(float) * n_table), *table = tables;
    if (!tables) return 1;
    for (int i = 0; i < n_sizes; i++) {
        int size = sizes[i], hop = size / OVERLAPS, n_frames = (n_samples + hop - 1) / hop;
        scales[i] = (scale_t){.n_batch = n_batch, .n_samples = n_samples, .size = size, .hop = hop,
                              .n_frames = n_frames, .target = target, .audio = audio, .mag_weight = mag_weight,
                              .logmag_weight = logmag_weight, .floor = floor * sqrtf(0.375f * size),
                              .share = 1.0f / ((float)n_frames * (size / 2 + 1)), .distances = distances,
                              .slopes = slopes};
        make_tables(scales + i, table);
        table += TABLE_SIZE(size);
    }
    loss_t loss = {.scales = scales, .n_scales = n_sizes};
    team_run(n_batch < n_threads ? n_batch : n_threads, compare_share, &loss);
    free(tables);
    return loss.failed;
}
