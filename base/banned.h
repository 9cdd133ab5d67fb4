/* Functions that have hurt C programs too often to be used here. Included by
   alloc.h, so that nearly every file sees it; system headers come first. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#define BANNED(function) function##_is_banned_see_base_banned_h

#undef strcpy
#define strcpy BANNED(strcpy)
#undef strcat
#define strcat BANNED(strcat)
#undef sprintf
#define sprintf BANNED(sprintf)
#undef vsprintf
#define vsprintf BANNED(vsprintf)
#undef strtok
#define strtok BANNED(strtok)
#undef atoi
#define atoi BANNED(atoi)
#undef atol
#define atol BANNED(atol)
#undef gets
#define gets BANNED(gets)
#undef mktemp
#define mktemp BANNED(mktemp)
#undef localtime
#define localtime BANNED(localtime)
#undef gmtime
#define gmtime BANNED(gmtime)

#endif
