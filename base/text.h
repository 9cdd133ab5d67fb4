/* Text in the C locale, whatever the user's locale is. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* ASCII letters compare without case. */
bool text_equal_nocase(const char *a, const char *b);
bool text_equal_nocase_sized(const char *a, size_t a_size, const char *b);
bool text_starts_with(const char *text, const char *prefix);
bool text_ends_with(const char *text, const char *suffix);

/* Well-formed UTF-8: no overlong forms, no surrogates, no NUL. */
bool text_is_utf8(const char *text, size_t size);

/* Replaces control characters and what is no UTF-8 by '?', so that words of
   others cannot drive a terminal. */
void text_make_printable(char *text);

#endif
