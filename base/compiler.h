/* What we ask of the compiler beyond C17, by name. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

/* The caller must look at the result, or cast it to void and say why. */
#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LENGTH(a)   (sizeof(a) / sizeof((a)[0]))

#endif
