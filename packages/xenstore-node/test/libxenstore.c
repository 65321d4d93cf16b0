/*
 * A client linked with Xen's libxenstore. Several of it at once count in transactions, hand a token round by
 * watches, and try what they may not:
 *
 *     libxenstore count N       adds 1 to /count N times, each in a transaction; prints how often it met others
 *     libxenstore ring ME OF N  waits for /ring/ME to change and passes it on to the next, N times
 *     libxenstore permissions   sets and reads back permissions; prints them
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int count(struct xs_handle *xs, int times)
{
	int met = 0;
	for (int i = 0; i < times;) {
		char text[16];
		unsigned int length;
		xs_transaction_t tx = xs_transaction_start(xs);
		if (tx == XBT_NULL)
			return fail("start");
		char *value = xs_read(xs, tx, "/count", &length);
		int n = value ? atoi(value) : 0;
		free(value);
		snprintf(text, sizeof(text), "%d", n + 1);
		if (!xs_write(xs, tx, "/count", text, strlen(text)))
			return fail("write");
		if (xs_transaction_end(xs, tx, false))
			i++;
		else if (errno == EAGAIN)
			met++;
		else
			return fail("end");
	}
	printf("%d\n", met);
	return 0;
}

static int ring(struct xs_handle *xs, int me, int of, int times)
{
	char mine[32], next[32];
	snprintf(mine, sizeof(mine), "/ring/%d", me);
	snprintf(next, sizeof(next), "/ring/%d", (me + 1) % of);
	if (!xs_watch(xs, mine, "turn"))
		return fail("watch");
	for (int last = 0; last < times;) {
		unsigned int length;
		char **event = xs_read_watch(xs, &length);
		if (!event || strcmp(event[XS_WATCH_PATH], mine) || strcmp(event[XS_WATCH_TOKEN], "turn"))
			return fail("event");
		free(event);
		char *value = xs_read(xs, XBT_NULL, mine, &length);
		int turn = value ? atoi(value) : 0;
		free(value);
		if (turn <= last)
			continue;
		char text[16];
		snprintf(text, sizeof(text), "%d", me == of - 1 ? turn + 1 : turn);
		if (!xs_write(xs, XBT_NULL, next, text, strlen(text)))
			return fail("pass on");
		last = turn;
	}
	printf("done\n");
	return 0;
}

static int permissions(struct xs_handle *xs)
{
	struct xs_permissions set[] = { { 3, XS_PERM_NONE }, { 4, XS_PERM_READ | XS_PERM_WRITE } };
	unsigned int length;
	if (!xs_mkdir(xs, XBT_NULL, "/permissions") ||
	    !xs_set_permissions(xs, XBT_NULL, "/permissions", set, 2))
		return fail("set");
	struct xs_permissions *got = xs_get_permissions(xs, XBT_NULL, "/permissions", &length);
	if (!got)
		return fail("get");
	for (unsigned int i = 0; i < length; i++)
		printf("%u:%u ", got[i].id, (unsigned int)got[i].perms);
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct xs_handle *xs = xs_open(0);
	if (!xs)
		return fail("open");
	if (argc == 3 && !strcmp(argv[1], "count"))
		return count(xs, atoi(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "ring"))
		return ring(xs, atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	if (argc == 2 && !strcmp(argv[1], "permissions"))
		return permissions(xs);
	return 2;
}
