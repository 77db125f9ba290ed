/*
 * names - asks the resolver functions of libc that Python does not have, and
 * prints what they say.
 *
 * names HOST
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef NETDB_INTERNAL /* musl does not name it */
#define NETDB_INTERNAL (-1)
#endif

static void print_entry(const char *what, const struct hostent *entry)
{
	char text[INET6_ADDRSTRLEN];

	if (!entry) {
		printf("%s: h_errno %d\n", what, h_errno);
		return;
	}
	inet_ntop(entry->h_addrtype, entry->h_addr_list[0], text, sizeof(text));
	printf("%s: %s %s%s%s %d\n", what, entry->h_name, text,
	       entry->h_addr_list[1] ? " more" : "",
	       entry->h_aliases[0] ? " aliases" : "", entry->h_length);
}

/* Doubles an unaligned buffer from nothing until it is large enough, as the manual says. */
static void by_name_r(const char *name, int family)
{
	static char memory[1024];
	struct hostent entry, *result;
	int ret, h_err = 0, grown = 0;

	for (size_t size = 1; size < sizeof(memory); size *= 2) {
		if (family)
			ret = gethostbyname2_r(name, family, &entry, memory + 1,
					       size, &result, &h_err);
		else
			ret = gethostbyname_r(name, &entry, memory + 1, size,
					      &result, &h_err);
		if (ret != ERANGE)
			break;
		if (result || h_err != NETDB_INTERNAL || errno != ERANGE)
			printf("wrong ERANGE\n");
		grown = 1;
	}
	print_entry(grown ? "by_name_r grown" : "by_name_r", result);
}

static void by_addr_r(const struct hostent *of)
{
	char memory[1024], addr[16];
	struct hostent entry, *result;
	int h_err = 0, family = of->h_addrtype;
	socklen_t len = (socklen_t)of->h_length;

	memcpy(addr, of->h_addr_list[0], len);
	if (gethostbyaddr_r(addr, len, family, &entry, memory, 8, &result,
			    &h_err) != ERANGE)
		printf("no ERANGE\n");
	if (gethostbyaddr_r(addr, len, family, &entry, memory, sizeof(memory),
			    &result, &h_err) == 0)
		print_entry("by_addr_r", result);
	print_entry("by_addr", gethostbyaddr(addr, len, family));
}

#ifdef __GLIBC__
static void asynchronous(const char *name, int family)
{
	struct addrinfo hints = {.ai_family = family,
				 .ai_socktype = SOCK_STREAM};
	struct gaicb request = {
		.ar_name = name, .ar_service = "5432", .ar_request = &hints};
	struct gaicb *list[] = {&request};
	char text[NI_MAXHOST];
	int ret = getaddrinfo_a(GAI_WAIT, list, 1, NULL);

	if (ret == 0)
		ret = gai_error(&request);
	if (ret) {
		printf("async: %s\n", gai_strerror(ret));
		return;
	}
	getnameinfo(request.ar_result->ai_addr, request.ar_result->ai_addrlen,
		    text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	printf("async: %s%s\n", text,
	       request.ar_result->ai_next ? " more" : "");
	freeaddrinfo(request.ar_result);
}
#endif

static void canonical(const char *name, int family)
{
	struct addrinfo hints = {.ai_family = family,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_CANONNAME};
	struct addrinfo *list;
	int ret = getaddrinfo(name, NULL, &hints, &list);

	if (ret) {
		printf("canonical: %s\n", gai_strerror(ret));
		return;
	}
	printf("canonical: %s\n", list->ai_canonname);
	freeaddrinfo(list);
}

int main(int argc, char **argv)
{
	struct hostent *entry;

	if (argc != 2)
		return 64;
	print_entry("by_name", gethostbyname(argv[1]));
	print_entry("by_name2", gethostbyname2(argv[1], AF_INET6));
	by_name_r(argv[1], 0);
	by_name_r(argv[1], AF_INET6);
	entry = gethostbyname(argv[1]);
	if (entry)
		by_addr_r(entry);
	entry = gethostbyname2(argv[1], AF_INET6);
	if (entry)
		by_addr_r(entry);
	canonical(argv[1], AF_UNSPEC);
	canonical(argv[1], AF_INET6);
#ifdef __GLIBC__
	asynchronous(argv[1], AF_UNSPEC);
	asynchronous(argv[1], AF_INET6);
#endif
	return 0;
}
