#include "tests/sim/child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

pid_t child_start(void)
{
	pid_t parent = getpid();
	pid_t child;

	/* Else both would print what waits. */
	(void)fflush(stdout);
	child = fork();
	if (child == -1) {
		perror("fork");
		exit(71);
	}
	if (child == 0 &&
		(prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
		_exit(71);
	return child;
}
