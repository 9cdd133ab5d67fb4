#include "syncd/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"

struct signals {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	sigset_t before; /* the mask */
	void (*callback)(void *data, int number);
	void *data;
};

static void ready(void *data, unsigned events)
{
	struct signals *signals = data;
	struct signalfd_siginfo info;

	(void)events;
	/* One at a time: what is left makes the loop call again. */
	if (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals->callback(signals->data, (int)info.ssi_signo);
}

struct signals *signals_new(struct loop *loop,
	void (*callback)(void *data, int number), void *data,
	struct error *error)
{
	struct signals *signals;
	sigset_t set, before;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, &before) == -1) {
		(void)error_set_errno(error, "cannot block signals");
		return NULL;
	}
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd == -1) {
		(void)error_set_errno(error, "cannot watch signals");
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		return NULL;
	}
	signals = alloc(1, sizeof(*signals));
	*signals = (struct signals){
		.loop = loop,
		.fd = fd,
		.before = before,
		.callback = callback,
		.data = data,
	};
	signals->source = loop_add(loop, fd, LOOP_READ, ready, signals);
	return signals;
}

void signals_free(struct signals *signals)
{
	if (signals == NULL)
		return;
	loop_remove(signals->loop, signals->source);
	close(signals->fd);
	(void)sigprocmask(SIG_SETMASK, &signals->before, NULL);
	free(signals);
}
