/*
 * Genuine restore and save code (xc_domain_restore and xc_domain_save of Debian's libxenguest)
 * over a toy machine.
 *
 *     genuine-restore FILE...             each a bare libxc stream of a PV domain
 *     genuine-restore --again FILE OUT    restores FILE, and saves the domain to OUT
 *
 * prints a line for each: "restored", "refused" or "aborted", a tab, and what genuine code said
 * first. Every file is judged in a process of its own, because genuine code may abort.
 *
 * To be saved again a domain must have said where its P2M is, and put pfns into start_info, as a
 * guest does before it suspends. Nothing runs here, so publish() does it in the guest's place.
 */
#include "machine.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenguest.h>
#include <xentoollog.h>

enum { HEADERS = 40, P2M_FRAMES = 3, PER_PAGE = 512, TROUBLE = 3 };

static char said[256];

static void keep(xentoollog_logger *logger, xentoollog_level level, int error, const char *context,
                 const char *format, va_list args)
{
    (void)logger, (void)error, (void)context;
    if (level >= XTL_ERROR && !said[0]) vsnprintf(said, sizeof said, format, args);
}

static void progress(xentoollog_logger *logger, const char *context, const char *doing,
                     int percent, unsigned long done, unsigned long total)
{
    (void)logger, (void)context, (void)doing, (void)percent, (void)done, (void)total;
}

static void destroy(xentoollog_logger *logger) { (void)logger; }

static int static_data_done(unsigned missing, void *data)
{
    (void)missing, (void)data;
    return 0;
}

static int suspend(void *data)
{
    (void)data;
    return 1;
}

static uint64_t mfn_of(uint64_t pfn)
{
    uint64_t mfn = FIRST;
    while (mfn < frames_end() && m2p[mfn] != pfn) mfn++;
    return mfn;
}

/* The tree of frame lists, and pfns in start_info. pfns: the P2M's own pages. */
static void publish(const uint64_t *pfns, unsigned count)
{
    uint64_t root = new_frame(), *lists = frame(root), *list = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (i % PER_PAGE == 0) list = frame(lists[i / PER_PAGE] = new_frame());
        list[i % PER_PAGE] = mfn_of(pfns[i]);
    }
    shared_info_t *shared = frame(SHARED_INFO);
    shared->arch.pfn_to_mfn_frame_list_list = root;
    shared->arch.p2m_cr3 = 0;
    start_info_t *start = frame(state.context.user_regs.rdx);
    start->store_mfn = m2p[start->store_mfn];
    start->console.domU.mfn = m2p[start->console.domU.mfn];
    state.is_suspended = 1;
}

/* Finds X86_PV_P2M_FRAMES in a good file, and has its pages published. */
static int publish_from(int fd)
{
    uint32_t header[2];
    off_t at = HEADERS;
    for (; pread(fd, header, 8, at) == 8; at += 8 + ((header[1] + 7) & ~7u)) {
        if (header[0] != P2M_FRAMES) continue;
        unsigned size = header[1] - 8;
        uint64_t *pfns = malloc(size);
        if (pread(fd, pfns, size, at + 16) != (ssize_t)size) return -1;
        publish(pfns, size / 8);
        return 0;
    }
    return -1;
}

/* In a process of its own. again: where the restored domain is to be saved, or NULL. */
static int judge(const char *path, const char *again)
{
    xentoollog_logger logger = { keep, progress, destroy };
    struct restore_callbacks callbacks = { .static_data_done = static_data_done };
    struct save_callbacks save = { .suspend = suspend };
    unsigned long store = 0, console = 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || make_machine()) return TROUBLE;
    xc_interface *xch = xc_interface_open(&logger, &logger, 0);
    int rc = xc_domain_restore(xch, fd, DOMAIN, 1, &store, 0, 2, &console, 0, XC_STREAM_PLAIN,
                               &callbacks, -1);
    if (rc == 0 && again) {
        int out = open(again, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        rc = publish_from(fd);
        if (rc == 0) rc = xc_domain_save(xch, out, DOMAIN, 0, &save, XC_STREAM_PLAIN, -1);
    }
    printf("%s\t%s\n", rc ? "refused" : "restored", said);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const char *again = argc == 4 && !strcmp(argv[1], "--again") ? argv[3] : NULL;
    int first = again ? 2 : 1, end = again ? 3 : argc;
    for (int i = first; i < end; i++) {
        int status;
        fflush(stdout);
        if (fork() == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(TROUBLE);
            _exit(judge(argv[i], again));
        }
        wait(&status);
        if (WIFSIGNALED(status)) printf("aborted\tsignal %d\n", WTERMSIG(status));
        else if (WEXITSTATUS(status)) return WEXITSTATUS(status);
    }
    return 0;
}
