/* Channel strips: the learned reverb and the output rate of any number of performances, as they are played.
 *
 * The equations are those of amadeus/live/room.py and amadeus/live/resampling.py. The first SHORT taps are summed as
 * they stand; the others are convolved as spectra when a block is full, for the block that comes next.
 */
#include <string.h>

#include "vector.h"

#define SHORT 256
#define LONG 2048
#define GROUP 4

/* As in amadeus/native/strips.py. Spectra are [n_parts, 2, n_block + 1]: real parts, then imaginary ones. */
typedef struct {
    const float *head;              /* the first taps, [SHORT] */
    const float *near_parts;        /* of the taps up to LONG, in blocks of SHORT */
    const float *far_parts;         /* of the taps from LONG on, in blocks of LONG */
    const float *roots;             /* cosines and sines of a turn of 2 * LONG, [2, 2 * LONG] */
    float *near_past, *far_past;    /* spectra of what sounded, rings as long as the parts */
    float *near_ringing;            /* over this short block, [SHORT] */
    float *far_ringing;             /* over this long block, [LONG] */
    float *samples;                 /* the long block before, and this one, [2 * LONG] */
    const float *taps;              /* of the resampler, [up, n_taps] */
    float *kept;                    /* what it may still need: [n_kept], room for what comes, and a margin */
    const float *dry;               /* in, [n_dry] */
    float *sound;                   /* out, [n_sound] */
    int64_t first, n_out;           /* place of the first sample kept; output samples made before */
    int n_near, n_far, near_newest, far_newest, n_filled;
    int up, down, n_taps, n_kept;
    int n_dry, n_sound, has_room;
    float mix_before, mix;          /* ramps from the one to the other */
} strip_t;

typedef struct { float re[LONG + 1], im[LONG + 1]; } spectrum_t;

/* A complex transform of n values, in place with a scratch; Stockham's, of radix two. Exponents are negative. */
static void transform(int n, float *re, float *im, float *to_re, float *to_im, const float *roots) {
    float *home = re;
    for (int half = n / 2, width = 1; half >= 1; half /= 2, width *= 2) {
        int step = LONG / half; /* of 2 * LONG roots a turn */
        for (int j = 0; j < half; j++) {
            float c = roots[j * step], s = -roots[2 * LONG + j * step];
            const float *are = re + j * width, *aim = im + j * width;
            const float *bre = are + half * width, *bim = aim + half * width;
            float *sre = to_re + 2 * j * width, *sim = to_im + 2 * j * width;
            float *dre = sre + width, *dim = sim + width;
            for (int k = 0; k < width; k++) {
                float x = are[k] - bre[k], y = aim[k] - bim[k];
                sre[k] = are[k] + bre[k], sim[k] = aim[k] + bim[k];
                dre[k] = x * c - y * s, dim[k] = x * s + y * c;
            }
        }
        float *swap = re; re = to_re; to_re = swap;
        swap = im; im = to_im; to_im = swap;
    }
    if (re != home) memcpy(to_re, re, sizeof(float) * n), memcpy(to_im, im, sizeof(float) * n);
}

/* Spectrum of 2 * n_block real samples. */
static void analyse(int n_block, const float *samples, float *re, float *im, const float *roots) {
    float zre[LONG], zim[LONG], tre[LONG], tim[LONG];
    for (int i = 0; i < n_block; i++) zre[i] = samples[2 * i], zim[i] = samples[2 * i + 1];
    transform(n_block, zre, zim, tre, tim, roots);
    int step = LONG / n_block;
    for (int k = 0; k <= n_block; k++) {
        int a = k % n_block, b = (n_block - k) % n_block;
        float ere = 0.5f * (zre[a] + zre[b]), eim = 0.5f * (zim[a] - zim[b]); /* even samples */
        float ore = 0.5f * (zim[a] + zim[b]), oim = 0.5f * (zre[b] - zre[a]); /* odd ones */
        float c = roots[k * step], s = -roots[2 * LONG + k * step];
        re[k] = ere + ore * c - oim * s, im[k] = eim + ore * s + oim * c;
    }
}

/* The later half of the 2 * n_block real samples of a spectrum. */
static void synthesise_late(int n_block, const spectrum_t *x, float *samples, const float *roots) {
    float zre[LONG], zim[LONG], tre[LONG], tim[LONG];
    int step = LONG / n_block;
    for (int k = 0; k < n_block; k++) {
        int b = n_block - k;
        float ere = 0.5f * (x->re[k] + x->re[b]), eim = 0.5f * (x->im[k] - x->im[b]);
        float dre = 0.5f * (x->re[k] - x->re[b]), dim = 0.5f * (x->im[k] + x->im[b]);
        float c = roots[k * step], s = roots[2 * LONG + k * step];
        float ore = dre * c - dim * s, oim = dre * s + dim * c;
        /* conjugated, for the transform turns the other way */
        zre[k] = ere - oim, zim[k] = -(eim + ore);
    }
    transform(n_block, zre, zim, tre, tim, roots);
    float scale = 1.0f / n_block;
    for (int i = n_block / 2; i < n_block; i++) {
        samples[2 * i - n_block] = zre[i] * scale;
        samples[2 * i + 1 - n_block] = -zim[i] * scale;
    }
}

/* Takes the spectrum of a block and the one before it; sums what the parts from `begin` on ring next. */
static int turn(int n_block, int n_parts, const float *parts, float *past, int newest, const float *window, int begin,
                float *ringing, const float *roots) {
    long size = 2 * (n_block + 1);
    newest = (newest + n_parts - 1) % n_parts;
    analyse(n_block, window, past + newest * size, past + newest * size + n_block + 1, roots);
    spectrum_t sum;
    memset(sum.re, 0, sizeof(float) * (n_block + 1));
    memset(sum.im, 0, sizeof(float) * (n_block + 1));
    for (int p = begin; p < n_parts; p++) {
        const float *hre = parts + p * size, *him = hre + n_block + 1;
        const float *xre = past + (newest + p - begin) % n_parts * size, *xim = xre + n_block + 1;
        for (int k = 0; k <= n_block; k++) {
            sum.re[k] += xre[k] * hre[k] - xim[k] * him[k];
            sum.im[k] += xre[k] * him[k] + xim[k] * hre[k];
        }
    }
    synthesise_late(n_block, &sum, ringing, roots);
    return newest;
}

/* wet[i] = sum over taps k of head[k] * sound[i - k]. */
static void sum_head(const float *head, const float *sound, float *wet, int n) {
    for (int i = 0; i < n; i += GROUP * LANES) {
        vf sums[GROUP] = {{0}};
        for (int k = 0; k < SHORT; k++)
            for (int v = 0; v < GROUP; v++) sums[v] += head[k] * load(sound + i - k + v * LANES);
        for (int v = 0; v < GROUP; v++) {
            int left = n - i - v * LANES;
            if (left >= LANES) store(wet + i + v * LANES, sums[v]);
            else if (left > 0) store_some(wet + i + v * LANES, sums[v], left);
        }
    }
}

/* Samples of one short block. `samples` has a margin behind it: vectors may read zeros beyond what is taken. */
static void ring(strip_t *s, const float *dry, float *wet, int n) {
    int begin = s->n_filled, end = begin + n, block = begin - begin % SHORT;
    memcpy(s->samples + LONG + begin, dry, sizeof(float) * n);
    sum_head(s->head, s->samples + LONG + begin, wet, n);
    for (int i = 0; i < n; i++) wet[i] += s->near_ringing[begin - block + i] + s->far_ringing[begin + i];
    s->n_filled = end;
    if (end % SHORT == 0 && s->n_near > 1)
        s->near_newest = turn(SHORT, s->n_near, s->near_parts, s->near_past, s->near_newest,
                              s->samples + LONG + block - SHORT, 1, s->near_ringing, s->roots);
    if (end == LONG) {
        if (s->n_far)
            s->far_newest = turn(LONG, s->n_far, s->far_parts, s->far_past, s->far_newest, s->samples, 0,
                                 s->far_ringing, s->roots);
        memcpy(s->samples, s->samples + LONG, sizeof(float) * LONG);
        memset(s->samples + LONG, 0, sizeof(float) * LONG);
        s->n_filled = 0;
    }
}

/* Adds the reverb to what comes and appends it to what is kept. */
static void add_reverb(strip_t *s) {
    float *to = s->kept + s->n_kept, wet[SHORT], climb = (s->mix - s->mix_before) / s->n_dry;
    if (s->has_room) {
        for (int first = 0; first < s->n_dry;) {
            int n = SHORT - s->n_filled % SHORT;
            if (n > s->n_dry - first) n = s->n_dry - first;
            ring(s, s->dry + first, wet, n);
            for (int i = 0; i < n; i++)
                to[first + i] = s->dry[first + i] + (s->mix_before + climb * (first + i + 1)) * wet[i];
            first += n;
        }
    } else {
        memcpy(to, s->dry, sizeof(float) * s->n_dry);
    }
    s->n_kept += s->n_dry;
}

/* Every up-th output sample from `sample` on, by the taps of one phase: its windows lie one sample apart. */
static void resample_phase(const strip_t *s, int sample, const float *window, const float *taps) {
    int n = (s->n_sound - sample + s->up - 1) / s->up;
    for (int i = 0; i < n; i += LANES) {
        int left = n - i;
        vf sum = {0};
        float heard[LANES];
        for (int t = 0; t < s->n_taps; t++) sum += taps[t] * load(window + i + t); /* into the margin at the end */
        store(heard, sum);
        for (int lane = 0; lane < LANES && lane < left; lane++) s->sound[sample + (long)(i + lane) * s->up] = heard[lane];
    }
}

static void resample(const strip_t *s) {
    int before = s->n_taps / 2 - 1;
    for (int sample = 0; sample < s->n_sound; sample++) {
        if (s->down == 1 && sample == s->up) return; /* all phases are done */
        int64_t at = (s->n_out + sample) * s->down;
        const float *window = s->kept + (at / s->up - before - s->first);
        const float *taps = s->taps + at % s->up * s->n_taps;
        if (s->down == 1) {
            resample_phase(s, sample, window, taps);
            continue;
        }
        vf sum = {0};
        int t = 0;
        for (; t + LANES <= s->n_taps; t += LANES) sum += load(taps + t) * load(window + t);
        if (t < s->n_taps) sum += load_some(taps + t, s->n_taps - t) * load_some(window + t, s->n_taps - t);
        s->sound[sample] = total(sum);
    }
}

/* Drops what no later window reaches. */
static void forget(strip_t *s) {
    int64_t n_done = s->n_out * s->down / s->up - (s->n_taps / 2 - 1) - s->first;
    if (n_done <= 0) return;
    s->n_kept -= (int)n_done, s->first += n_done;
    memmove(s->kept, s->kept + n_done, sizeof(float) * s->n_kept);
}

int amadeus_strips(int n_strips, strip_t *const *strips, int n_threads) {
    (void)n_threads; /* a strip takes microseconds */
    for (int i = 0; i < n_strips; i++) {
        strip_t *s = strips[i];
        if (s->n_dry) add_reverb(s);
        if (s->up == s->down) {
            memcpy(s->sound, s->kept, sizeof(float) * s->n_sound);
            s->n_kept = 0;
            continue;
        }
        resample(s);
        s->n_out += s->n_sound;
        forget(s);
    }
    return 0;
}
