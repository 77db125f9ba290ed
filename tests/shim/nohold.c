/*
 * nohold - runs a program on a kernel that does not hold a connect().
 *
 *	nohold ERRNO PROGRAM [ARGUMENT...]
 *
 * A seccomp filter answers setsockopt(IP_MINTTL) with ERRNO; with 0 it does
 * nothing and says that it has: the two ways of kernels that lack it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(member)                       \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 offsetof(struct seccomp_data, member))
/* Goes on when equal, else skips so many. */
#define IS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

int main(int argc, char **argv)
{
	uint32_t error = argc > 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct sock_filter code[] = {
		LOAD(nr),
		IS(SYS_setsockopt, 5),
		LOAD(args[1]), /* the lower half, where a long is little-endian */
		IS(IPPROTO_IP, 3),
		LOAD(args[2]),
		IS(IP_MINTTL, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

	if (argc < 3)
		return 64;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
		perror("seccomp");
		return 77;
	}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
