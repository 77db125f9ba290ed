/*
 * slow_wire.c - a long wire between two network namespaces of its own, that loses packets.
 *
 *	slow_wire [CONGESTION_CONTROL]
 *
 * Makes a namespace "near" (192.0.2.1) and a namespace "far" (192.0.2.2), each with a tun device,
 * says {"near":PATH,"far":PATH} for nsenter --net=PATH, and carries packets until its
 * standard input ends; then, or when it is killed, devices and wire are gone, and
 * each namespace with its last process.  Exits with 77, and the reason, where it may not
 * do that.
 *
 * A line "DELAY_US BYTES_PER_S QUEUE_BYTES LOSS_PPM SEED" says what it is like from now on, each way:
 * a router that sends so many bytes a second (0: any number), lets so many wait for
 * that and drops the rest; then a wire on which so many of a million packets are lost, the same
 * ones for the same seed, and that takes so long.  Answers what it did with the line before:
 * {"carried":N,"bytes":N,"lost":N,"full":N} packets.
 *
 * A timer that rests a quarter of a millisecond between two looks, as network cards do, makes
 * the cost that of two system calls a packet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CANNOT   77
#define MTU      1500
#define REST_NS  250000
#define TX_QUEUE 10000 /* packets that wait in the device until we look */
#define RING     ((size_t)1 << 16)
#define WORDS    5 /* of a line that says what the wire is like */
#define PER_TURN \
	256 /* packets read from one end; then the other has its turn */
#define CC_PATH "/proc/sys/net/ipv4/tcp_congestion_control"

struct packet {
	int64_t due_ns;
	size_t len;
	char bytes[MTU];
};

/* What goes from one end to the other. */
struct way {
	int from, to;
	uint64_t random;
	int64_t free_ns; /* when the router has sent what waits */
	size_t first, count;
	struct packet *ring;
};

static struct {
	int64_t delay_ns;
	double bytes_per_s;
	double queue;
	unsigned long loss_ppm;
} wire;

static struct {
	unsigned long carried, bytes, lost, full;
} seen;

static struct way ways[2];

static _Noreturn void give_up(const char *what)
{
	bool may_not = errno == EPERM || errno == EACCES || errno == ENOENT ||
		       errno == ENODEV || errno == ENOSPC;

	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(may_not ? CANNOT : 1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The congestion control that a new namespace gets is the machine's, not the caller's. */
static void pass_on(const char *path, char *text, size_t size, bool write_it)
{
	int fd = open(path, write_it ? O_WRONLY : O_RDONLY);
	ssize_t n = -1;

	if (fd >= 0 && write_it)
		n = write(fd, text, strlen(text));
	else if (fd >= 0)
		n = read(fd, text, size - 1);
	if (n < 0)
		give_up(path);
	if (!write_it)
		text[n] = '\0';
	close(fd);
}

static void up(int ctl, struct ifreq *ifr)
{
	ifr->ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(ctl, SIOCSIFFLAGS, ifr) != 0)
		give_up("a device does not come up");
}

static void put_address(int ctl, unsigned long request, struct ifreq *ifr,
			const char *text)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};

	inet_pton(AF_INET, text, &addr.sin_addr);
	memcpy(&ifr->ifr_addr, &addr, sizeof(addr));
	if (ioctl(ctl, request, ifr) != 0)
		give_up(text);
}

/* Goes to a new namespace with a device; the descriptor of the latter. */
static int make_end(const char *address, const char *congestion)
{
	static char no_metrics[] = "1";
	struct ifreq ifr = {.ifr_name = "lo"};
	char text[32];
	int ctl, tun;

	if (unshare(CLONE_NEWNET) != 0)
		give_up("unshare");
	snprintf(text, sizeof(text), "%s", congestion);
	pass_on(CC_PATH, text, 0, true);
	/* What one connection suffered is not held against the next. */
	pass_on("/proc/sys/net/ipv4/tcp_no_metrics_save", no_metrics, 0, true);
	ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (ctl < 0 || tun < 0)
		give_up("/dev/net/tun");
	up(ctl, &ifr);
	ifr = (struct ifreq){.ifr_name = "wire"};
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(tun, TUNSETIFF, &ifr) != 0)
		give_up("TUNSETIFF");
	ifr.ifr_mtu = MTU;
	if (ioctl(ctl, SIOCSIFMTU, &ifr) != 0)
		give_up("SIOCSIFMTU");
	ifr.ifr_qlen = TX_QUEUE;
	if (ioctl(ctl, SIOCSIFTXQLEN, &ifr) != 0)
		give_up("SIOCSIFTXQLEN");
	put_address(ctl, SIOCSIFADDR, &ifr, address);
	put_address(ctl, SIOCSIFNETMASK, &ifr, "255.255.255.0");
	up(ctl, &ifr);
	close(ctl);
	return tun;
}

/* xorshift64*: a number below a million. */
static unsigned long draw(struct way *way)
{
	way->random ^= way->random >> 12;
	way->random ^= way->random << 25;
	way->random ^= way->random >> 27;
	return (unsigned long)(way->random * 0x2545f4914f6cdd1dU >> 32) *
		       1000000UL >>
	       32;
}

static void take(struct way *way, struct packet *packet, int64_t at_ns)
{
	double waits_ns =
		way->free_ns > at_ns ? (double)(way->free_ns - at_ns) : 0;

	if (wire.bytes_per_s > 0) {
		if (waits_ns * wire.bytes_per_s / 1e9 > wire.queue) {
			seen.full++;
			return;
		}
		waits_ns += (double)packet->len * 1e9 / wire.bytes_per_s;
		way->free_ns = at_ns + (int64_t)waits_ns;
	}
	if (wire.loss_ppm > 0 && draw(way) < wire.loss_ppm) {
		seen.lost++;
		return;
	}
	packet->due_ns = at_ns + (int64_t)waits_ns + wire.delay_ns;
	way->count++;
}

/* True when there may be more. */
static bool read_some(struct way *way)
{
	int64_t at_ns = now_ns();

	for (int i = 0; i < PER_TURN; i++) {
		struct packet *packet =
			&way->ring[(way->first + way->count) % RING];
		ssize_t n;

		if (way->count == RING)
			return false;
		n = read(way->from, packet->bytes, sizeof(packet->bytes));
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			give_up("read");
		packet->len = (size_t)n;
		take(way, packet, at_ns);
	}
	return true;
}

static void write_due(struct way *way)
{
	int64_t at_ns = now_ns();

	while (way->count > 0 && way->ring[way->first].due_ns <= at_ns) {
		const struct packet *packet = &way->ring[way->first];

		if (write(way->to, packet->bytes, packet->len) < 0 &&
		    errno != EIO)
			give_up("write");
		seen.carried++;
		seen.bytes += packet->len;
		way->first = (way->first + 1) % RING;
		way->count--;
	}
}

/* A line from standard input; the wire's end when there is none. */
static void obey(void)
{
	double words[WORDS];
	char line[256];
	char *next = line;

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
	for (size_t i = 0; i < WORDS; i++) {
		const char *word = next;

		words[i] = strtod(word, &next);
		if (next == word) {
			fprintf(stderr, "not understood: %s", line);
			exit(64);
		}
	}
	wire.delay_ns = (int64_t)(words[0] * 1000);
	wire.bytes_per_s = words[1];
	wire.queue = words[2];
	wire.loss_ppm = (unsigned long)words[3];
	for (size_t i = 0; i < 2; i++)
		ways[i].random =
			((uint64_t)words[4] + i + 1) * 0x9e3779b97f4a7c15U;
	printf("{\"carried\":%lu,\"bytes\":%lu,\"lost\":%lu,\"full\":%lu}\n",
	       seen.carried, seen.bytes, seen.lost, seen.full);
	memset(&seen, 0, sizeof(seen));
}

static _Noreturn void carry(void)
{
	const struct timespec rest = {.tv_nsec = REST_NS};
	struct pollfd fds[3] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = ways[0].from, .events = POLLIN},
		{.fd = ways[1].from, .events = POLLIN},
	};

	for (;;) {
		bool busy = ways[0].count + ways[1].count > 0;
		bool more = false;

		if (poll(fds, 3, busy ? 0 : -1) < 0 && errno != EINTR)
			give_up("poll");
		if (fds[0].revents != 0)
			obey();
		for (size_t i = 0; i < 2; i++) {
			if (fds[i + 1].revents != 0)
				more = read_some(&ways[i]) || more;
			write_due(&ways[i]);
		}
		if (!more)
			nanosleep(&rest, NULL);
	}
}

int main(int argc, char **argv)
{
	char congestion[32];
	int near;
	pid_t pid = getpid();

	/* Lines are read as they come, and none is left in a buffer. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	if (argc > 1)
		snprintf(congestion, sizeof(congestion), "%s", argv[1]);
	else
		pass_on(CC_PATH, congestion, sizeof(congestion), false);
	ways[0].from = ways[1].to = make_end("192.0.2.1", congestion);
	near = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (near < 0)
		give_up("/proc/self/ns/net");
	ways[0].to = ways[1].from = make_end("192.0.2.2", congestion);
	for (size_t i = 0; i < 2; i++) {
		ways[i].ring = calloc(RING, sizeof(*ways[i].ring));
		if (!ways[i].ring)
			give_up("calloc");
	}
	printf("{\"near\":\"/proc/%d/fd/%d\",\"far\":\"/proc/%d/ns/net\"}\n",
	       pid, near, pid);
	carry();
}
