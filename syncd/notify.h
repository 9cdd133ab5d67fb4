/* sd_notify(3) and its watchdog, without libsystemd: a datagram to
   $NOTIFY_SOCKET. Does nothing when nobody listens. */
#ifndef SYNCD_NOTIFY_H
#define SYNCD_NOTIFY_H

#include <stdint.h>

#include "base/compiler.h"

/* Lines such as "READY=1\nSTATUS=…". */
void notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/* How often WATCHDOG=1 is due: half of what systemd waits; 0 = never. */
uint64_t notify_watchdog_ms(void);

/* Microseconds of CLOCK_MONOTONIC, as RELOADING=1 wants them. */
uint64_t notify_monotonic_us(void);

#endif
