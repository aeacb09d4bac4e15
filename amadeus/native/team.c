#include "team.h"

#include <pthread.h>
#include <sched.h>

#define MAX_SIZE 64
#define PATIENCE 4096 /* looks before the core is offered to others */

typedef struct {
    void (*work)(void *, team_t *, int);
    void *task;
    team_t *team;
    int number;
} member_t;

static void wait_while(atomic_int *value, int unchanged) {
    for (int looks = 0; atomic_load_explicit(value, memory_order_acquire) == unchanged; looks++)
        if (looks > PATIENCE) sched_yield();
}

static void *begin(void *argument) {
    member_t *member = argument;
    wait_while(&member->team->is_complete, 0);
    member->work(member->task, member->team, member->number);
    return 0;
}

void team_run(int size, void (*work)(void *, team_t *, int), void *task) {
    pthread_t threads[MAX_SIZE];
    member_t members[MAX_SIZE];
    team_t team = {0};
    int n = 1; /* members so far; where no thread can be had, the team is smaller */
    for (; n < size && n < MAX_SIZE; n++) {
        members[n] = (member_t){work, task, &team, n};
        if (pthread_create(&threads[n], 0, begin, &members[n])) break;
    }
    team.size = n;
    atomic_store_explicit(&team.is_complete, 1, memory_order_release);
    work(task, &team, 0);
    while (--n) pthread_join(threads[n], 0);
}

void team_meet(team_t *team) {
    if (team->size == 1) return;
    int round = atomic_load_explicit(&team->round, memory_order_acquire);
    if (atomic_fetch_add(&team->arrived, 1) == team->size - 1) {
        atomic_store(&team->arrived, 0);
        atomic_store_explicit(&team->round, round + 1, memory_order_release);
        return;
    }
    wait_while(&team->round, round);
}
