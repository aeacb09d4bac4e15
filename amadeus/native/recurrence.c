/* A gated recurrent unit over a run of frames, and back.
 *
 * The equations are those of amadeus/voice/recurrent.py. Weights are laid out in panels of WIDTH units, so that
 * each member of the team reads its own share of them in order, once a frame, from the cache nearest to it.
 */
#include <stdlib.h>

#include "team.h"
#include "vector.h"

#define WIDTH (2 * LANES) /* units in a panel */
#define MAX_ROWS 4        /* examples whose sums are held in registers */

typedef struct {
    int n_frames, n_batch, n_units, n_panels;
    const float *panels;
    const float *inputs, *start;                /* forward */
    float *states, *keep, *reset, *new, *by_new; /* kept for the way back */
    const float *upstream;                      /* backward */
    float *slopes, *through, *carry;
} recurrence_t;

/* sums[row][gate] += x[row] @ panel, over n_inputs, for n_gates blocks of WIDTH columns. */
INLINE void multiply(vf sums[][2], const float *const *x, int n_rows, const float *panel, int n_inputs,
                     int n_gates) {
    for (int i = 0; i < n_inputs; i++) {
        for (int gate = 0; gate < n_gates; gate++) {
            vf w0 = load(panel), w1 = load(panel + LANES);
            panel += WIDTH;
            for (int row = 0; row < n_rows; row++) {
                float value = x[row][i];
                sums[row * n_gates + gate][0] += value * w0;
                sums[row * n_gates + gate][1] += value * w1;
            }
        }
    }
}

INLINE vf take(const float *from, int n) { return n >= LANES ? load(from) : load_some(from, n > 0 ? n : 0); }

INLINE void put(float *to, vf x, int n) {
    if (n >= LANES) store(to, x);
    else if (n > 0) store_some(to, x, n);
}

INLINE void step_rows(const recurrence_t *r, int frame, int first_row, const int n_rows, int panel) {
    const int n_units = r->n_units;
    const float *x[MAX_ROWS];
    vf sums[MAX_ROWS * 3][2] = {{{0}}};
    for (int i = 0; i < n_rows; i++) {
        int row = first_row + i;
        x[i] = frame ? r->states + ((long)(frame - 1) * r->n_batch + row) * n_units : r->start + (long)row * n_units;
    }
    multiply(sums, x, n_rows, r->panels + (long)panel * n_units * 3 * WIDTH, n_units, 3);
    for (int i = 0; i < n_rows; i++) {
        long example = (long)frame * r->n_batch + first_row + i;
        for (int half = 0; half < 2; half++) {
            int unit = panel * WIDTH + half * LANES, n = n_units - unit;
            const float *in = r->inputs + example * 3 * n_units + unit;
            vf old = take(x[i] + unit, n);
            vf keep = sigmoid(take(in, n) + sums[3 * i][half]);
            vf reset = sigmoid(take(in + n_units, n) + sums[3 * i + 1][half]);
            vf by_new = sums[3 * i + 2][half];
            vf new = hyperbolic_tangent(take(in + 2 * n_units, n) + reset * by_new);
            long place = example * n_units + unit;
            put(r->states + place, new + keep * (old - new), n);
            put(r->keep + place, keep, n);
            put(r->reset + place, reset, n);
            put(r->new + place, new, n);
            put(r->by_new + place, by_new, n);
        }
    }
}

INLINE void back_rows(const recurrence_t *r, int frame, int first_row, const int n_rows, int panel) {
    const int n_units = r->n_units;
    for (int i = 0; i < n_rows; i++) {
        int row = first_row + i;
        long example = (long)frame * r->n_batch + row;
        for (int half = 0; half < 2; half++) {
            int unit = panel * WIDTH + half * LANES, n = n_units - unit;
            long place = example * n_units + unit, column = (long)row * n_units + unit;
            const float *before = frame ? r->states + place - (long)r->n_batch * n_units : r->start + column;
            vf keep = take(r->keep + place, n), reset = take(r->reset + place, n);
            vf new = take(r->new + place, n), old = take(before, n);
            vf sum = take(r->upstream + place, n) + take(r->carry + column, n);
            vf by_tanh = sum * (1 - keep) * (1 - new * new);
            vf to_keep = sum * (old - new) * keep * (1 - keep);
            vf to_reset = by_tanh * take(r->by_new + place, n) * reset * (1 - reset);
            float *slopes = r->slopes + example * 3 * n_units + unit;
            float *through = r->through + example * 3 * n_units + unit;
            put(slopes, to_keep, n), put(through, to_keep, n);
            put(slopes + n_units, to_reset, n), put(through + n_units, to_reset, n);
            put(slopes + 2 * n_units, by_tanh, n), put(through + 2 * n_units, by_tanh * reset, n);
            put(r->carry + column, sum * keep, n);
        }
    }
}

INLINE void carry_rows(const recurrence_t *r, int frame, int first_row, const int n_rows, int panel) {
    const int n_units = r->n_units;
    const float *x[MAX_ROWS];
    vf sums[MAX_ROWS][2] = {{{0}}};
    for (int i = 0; i < n_rows; i++)
        x[i] = r->through + ((long)frame * r->n_batch + first_row + i) * 3 * n_units;
    multiply(sums, x, n_rows, r->panels + (long)panel * 3 * n_units * WIDTH, 3 * n_units, 1);
    for (int i = 0; i < n_rows; i++) {
        for (int half = 0; half < 2; half++) {
            int unit = panel * WIDTH + half * LANES, n = n_units - unit;
            float *carry = r->carry + (long)(first_row + i) * n_units + unit;
            put(carry, take(carry, n) + sums[i][half], n);
        }
    }
}

/* Calls a function of rows for all rows, with their number known while compiling. */
#define FOR_ROWS(function, r, frame, panel)                                        \
    for (int row = 0; row < (r)->n_batch; row += MAX_ROWS) switch ((r)->n_batch - row) { \
        case 1: function(r, frame, row, 1, panel); break;                          \
        case 2: function(r, frame, row, 2, panel); break;                          \
        case 3: function(r, frame, row, 3, panel); break;                          \
        default: function(r, frame, row, 4, panel);                                \
        }

static void go_forward(void *task, team_t *team, int number) {
    const recurrence_t *r = task;
    int first, last;
    team_share(team, number, r->n_panels, &first, &last);
    for (int frame = 0; frame < r->n_frames; frame++) {
        for (int panel = first; panel < last; panel++) FOR_ROWS(step_rows, r, frame, panel)
        team_meet(team);
    }
}

static void go_back(void *task, team_t *team, int number) {
    const recurrence_t *r = task;
    int first, last;
    team_share(team, number, r->n_panels, &first, &last);
    for (int frame = r->n_frames - 1; frame >= 0; frame--) {
        for (int panel = first; panel < last; panel++) FOR_ROWS(back_rows, r, frame, panel)
        team_meet(team);
        for (int panel = first; panel < last; panel++) FOR_ROWS(carry_rows, r, frame, panel)
    }
}

/* The panels of kernel [n_units, 3 * n_units]: [panel][unit][gate][WIDTH]. */
static void pack(float *panels, const float *kernel, int n_units, int n_panels) {
    for (int panel = 0; panel < n_panels; panel++)
        for (int i = 0; i < n_units; i++)
            for (int gate = 0; gate < 3; gate++)
                for (int lane = 0; lane < WIDTH; lane++, panels++) {
                    int unit = panel * WIDTH + lane;
                    *panels = unit < n_units ? kernel[(long)i * 3 * n_units + gate * n_units + unit] : 0;
                }
}

/* The panels of its transpose: [panel][3 * n_units][WIDTH]. */
static void pack_transposed(float *panels, const float *kernel, int n_units, int n_panels) {
    for (int panel = 0; panel < n_panels; panel++)
        for (int i = 0; i < 3 * n_units; i++)
            for (int lane = 0; lane < WIDTH; lane++, panels++) {
                int unit = panel * WIDTH + lane;
                *panels = unit < n_units ? kernel[(long)unit * 3 * n_units + i] : 0;
            }
}

static float *make_panels(int n_units, int n_panels) {
    return malloc(sizeof(float) * n_panels * WIDTH * 3 * n_units);
}

/* inputs [n_frames, n_batch, 3 * n_units], start [n_batch, n_units], kernel [n_units, 3 * n_units]; the five
 * results [n_frames, n_batch, n_units]. Returns 0, or 1 where memory is short. */
int amadeus_recurrence(int n_frames, int n_batch, int n_units, const float *inputs, const float *start,
                       const float *kernel, float *states, float *keep, float *reset, float *new, float *by_new,
                       int n_threads) {
    int n_panels = (n_units + WIDTH - 1) / WIDTH;
    float *panels = make_panels(n_units, n_panels);
    if (!panels) return 1;
    pack(panels, kernel, n_units, n_panels);
    recurrence_t r = {.n_frames = n_frames, .n_batch = n_batch, .n_units = n_units, .n_panels = n_panels,
                      .panels = panels, .inputs = inputs, .start = start, .states = states, .keep = keep,
                      .reset = reset, .new = new, .by_new = by_new};
    team_run(n_panels < n_threads ? n_panels : n_threads, go_forward, &r);
    free(panels);
    return 0;
}

/* The slopes of a loss: by the inputs (slopes [n_frames, n_batch, 3 * n_units]), by what the kernel gave (through,
 * likewise) and by the start (carry [n_batch, n_units], zeros when it comes in). */
int amadeus_recurrence_back(int n_frames, int n_batch, int n_units, const float *start, const float *kernel,
                            const float *states, const float *keep, const float *reset, const float *new,
                            const float *by_new, const float *upstream, float *slopes, float *through, float *carry,
                            int n_threads) {
    int n_panels = (n_units + WIDTH - 1) / WIDTH;
    float *panels = make_panels(n_units, n_panels);
    if (!panels) return 1;
    pack_transposed(panels, kernel, n_units, n_panels);
    recurrence_t r = {.n_frames = n_frames, .n_batch = n_batch, .n_units = n_units, .n_panels = n_panels,
                      .panels = panels, .start = start, .states = (float *)states, .keep = (float *)keep,
                      .reset = (float *)reset, .new = (float *)new, .by_new = (float *)by_new,
                      .upstream = upstream, .slopes = slopes, .through = through, .carry = carry};
    team_run(n_panels < n_threads ? n_panels : n_threads, go_back, &r);
    free(panels);
    return 0;
}
