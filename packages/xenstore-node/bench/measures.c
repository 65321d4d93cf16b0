/*
 * What a xenstore daemon takes, as a program linked with libxenstore sees it on the socket that XENSTORED_PATH names:
 *
 *     measures rates SECONDS     requests a second, each kind for SECONDS: read and write of 64 bytes, a transaction
 *                                (start, read, write, end), a write and the watch event that it causes
 *     measures times             microseconds, the median of nine: to list a directory of 800, to remove it
 *     measures tree NODES        seconds to make NODES nodes, 100 in a directory, and to list and read all of them
 *
 * One line each: a name and a number. What it makes is below /measures and gone at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenstore.h>

#define TOP "/measures"
#define REPEATS 9
#define ENTRIES 800
/* Requests before those that count: caches are warm, and nobody sleeps deeply. */
#define BEFORE 200

static struct xs_handle *xs;
static char value[64];

static double now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static void expect(int done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(1);
}

static void write_value(xs_transaction_t tx, const char *path)
{
	expect(xs_write(xs, tx, path, value, sizeof(value)), "write");
}

static void read_value(xs_transaction_t tx, const char *path)
{
	unsigned int length;
	void *got = xs_read(xs, tx, path, &length);
	expect(got != NULL && length == sizeof(value), "read");
	free(got);
}

static void do_write(void) { write_value(XBT_NULL, TOP "/value"); }

static void do_read(void) { read_value(XBT_NULL, TOP "/value"); }

static void do_transaction(void)
{
	xs_transaction_t tx = xs_transaction_start(xs);
	expect(tx != XBT_NULL, "start");
	read_value(tx, TOP "/value");
	write_value(tx, TOP "/value");
	expect(xs_transaction_end(xs, tx, false), "end");
}

static void take_event(void)
{
	unsigned int count;
	char **event = xs_read_watch(xs, &count);
	expect(event != NULL, "event");
	free(event);
}

static void do_event(void)
{
	write_value(XBT_NULL, TOP "/watched");
	take_event();
}

static void rate(const char *name, double seconds, void (*request)(void))
{
	for (int i = 0; i < BEFORE; i++)
		request();
	double start = now(), end;
	long count = 0;
	do {
		for (int i = 0; i < 16; i++)
			request();
		count += 16;
		end = now();
	} while (end - start < seconds);
	printf("%s %.0f\n", name, count / (end - start));
}

static void rates(double seconds)
{
	do_write();
	rate("write", seconds, do_write);
	rate("read", seconds, do_read);
	rate("transaction", seconds, do_transaction);
	expect(xs_watch(xs, TOP "/watched", "token"), "watch");
	take_event();
	rate("event", seconds, do_event);
	expect(xs_unwatch(xs, TOP "/watched", "token"), "unwatch");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void times(void)
{
	double list[REPEATS], removal[REPEATS];
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		unsigned int count;
		for (int i = 0; i < ENTRIES; i++) {
			char path[64];
			snprintf(path, sizeof(path), TOP "/directory/n%d", i);
			expect(xs_write(xs, XBT_NULL, path, "v", 1), "write");
		}
		double start = now();
		char **names = xs_directory(xs, XBT_NULL, TOP "/directory", &count);
		list[repeat] = now() - start;
		expect(names != NULL && count == ENTRIES, "directory");
		free(names);
		start = now();
		expect(xs_rm(xs, XBT_NULL, TOP "/directory"), "rm");
		removal[repeat] = now() - start;
	}
	qsort(list, REPEATS, sizeof(*list), by_size);
	qsort(removal, REPEATS, sizeof(*removal), by_size);
	printf("directory %.0f\nremove %.0f\n", list[REPEATS / 2] * 1e6, removal[REPEATS / 2] * 1e6);
}

static long visit(const char *path)
{
	unsigned int count, length;
	long nodes = 1;
	char **names = xs_directory(xs, XBT_NULL, path, &count);
	expect(names != NULL, "directory");
	for (unsigned int i = 0; i < count; i++) {
		char inner[256];
		snprintf(inner, sizeof(inner), "%s/%s", path, names[i]);
		void *got = xs_read(xs, XBT_NULL, inner, &length);
		expect(got != NULL, "read");
		free(got);
		nodes += visit(inner);
	}
	free(names);
	return nodes;
}

static void tree(long wanted)
{
	double start = now();
	for (long i = 0; i < wanted; i++) {
		char path[64];
		snprintf(path, sizeof(path), TOP "/tree/%ld/%ld", i / 100, i % 100);
		write_value(XBT_NULL, path);
	}
	printf("make %.2f\n", now() - start);
	start = now();
	expect(visit(TOP "/tree") == 1 + (wanted + 99) / 100 + wanted, "tree");
	printf("list %.2f\n", now() - start);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	memset(value, 'x', sizeof(value));
	xs = xs_open(0);
	expect(xs != NULL, "open");
	if (argc == 3 && !strcmp(argv[1], "rates"))
		rates(atof(argv[2]));
	else if (argc == 2 && !strcmp(argv[1], "times"))
		times();
	else if (argc == 3 && !strcmp(argv[1], "tree"))
		tree(atol(argv[2]));
	else
		return 2;
	if (argc > 1 && !strcmp(argv[1], "tree"))
		getchar();
	expect(xs_rm(xs, XBT_NULL, TOP), "rm");
	return 0;
}
