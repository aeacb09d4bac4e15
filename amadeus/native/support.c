/* What the library knows of the machine and the process. */
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Whether this machine has the instructions that this library was compiled for. */
int amadeus_is_supported(void) {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}

#ifdef __GLIBC__
#define MIB (1 << 20)

/* Lets freed memory stay with the process: a step asks for the same megabytes again, and to be given them anew costs a
 * page fault for each 4 KiB. */
void amadeus_keep_heap(void) {
    mallopt(M_MMAP_THRESHOLD, 32 * MIB);
    mallopt(M_TRIM_THRESHOLD, 512 * MIB);
}
#else
void amadeus_keep_heap(void) {}
#endif

/* What this library was built from, as sources.py digests it: one of other sources may take other arguments. */
const char *amadeus_sources(void) { return AMADEUS_SOURCES; }
