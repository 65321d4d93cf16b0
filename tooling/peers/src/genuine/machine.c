/*
 * The machine's memory, and libxenforeignmemory's functions over it: they win over the shared
 * library's own.
 */
#define _GNU_SOURCE
#include "machine.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenforeignmemory.h>

enum { PAGE = 4096, PRESENT = 1, XEN_FIRST_SLOT = 256, XEN_LAST_SLOT = 271 };

struct tool_state state;
uint64_t *m2p;
static int memory_fd, m2p_fd;
static unsigned char owned[FRAMES], level_of[FRAMES], pinned[FRAMES];
static unsigned next_frame = FIRST - BASE;

int fail(int error)
{
    errno = error;
    return -1;
}

int make_machine(void)
{
    size_t size = (M2P_PAGES + M2P_CHUNK) * (size_t)PAGE;
    memory_fd = memfd_create("memory", 0);
    m2p_fd = memfd_create("m2p", 0);
    if (ftruncate(memory_fd, FRAMES * (off_t)PAGE) || ftruncate(m2p_fd, size)) return -1;
    m2p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m2p_fd, 0);
    if (m2p == MAP_FAILED) return -1;
    memset(m2p, 0xff, M2P_PAGES * (size_t)PAGE);
    return 0;
}

void *frame(uint64_t mfn)
{
    off_t at = (mfn - BASE) * (off_t)PAGE;
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, at);
}

uint64_t new_frame(void)
{
    if (next_frame >= FRAMES) return 0;
    owned[next_frame] = 1;
    return BASE + next_frame++;
}

uint64_t frames_end(void)
{
    return BASE + next_frame;
}

int is_owned(uint64_t mfn)
{
    return mfn >= BASE && mfn < BASE + FRAMES && owned[mfn - BASE];
}

int take_table(uint64_t mfn, int level)
{
    if (!is_owned(mfn)) return 0;
    if (level_of[mfn - BASE]) return level_of[mfn - BASE] == level;
    level_of[mfn - BASE] = level;
    uint64_t *entries = frame(mfn);
    int good = 1;
    for (int i = 0; good && i < PAGE / 8; i++) {
        if (!(entries[i] & PRESENT)) continue;
        if (level == 4 && i >= XEN_FIRST_SLOT && i <= XEN_LAST_SLOT) continue;
        uint64_t named = (entries[i] >> 12) & 0xffffffffffULL;
        good = level == 1 ? is_owned(named) : take_table(named, level - 1);
    }
    munmap(entries, PAGE);
    return good;
}

int pin_table(uint64_t mfn, int level)
{
    if (!take_table(mfn, level)) return 0;
    pinned[mfn - BASE] = 1;
    return 1;
}

xen_pfn_t type_of(uint64_t mfn)
{
    if (!is_owned(mfn)) return XEN_DOMCTL_PFINFO_XTAB;
    xen_pfn_t pin = pinned[mfn - BASE] ? XEN_DOMCTL_PFINFO_LPINTAB : 0;
    return (xen_pfn_t)level_of[mfn - BASE] << XEN_DOMCTL_PFINFO_LTAB_SHIFT | pin;
}

/* Where a frame is that somebody wants to map. Returns the file, or -1. */
static int find(uint32_t dom, uint64_t mfn, off_t *at)
{
    if (dom == DOMID_XEN && mfn >= M2P_BASE && mfn < M2P_BASE + M2P_PAGES + M2P_CHUNK) {
        *at = (mfn - M2P_BASE) * (off_t)PAGE;
        return m2p_fd;
    }
    *at = (mfn - BASE) * (off_t)PAGE;
    return is_owned(mfn) || (mfn >= BASE && mfn < FIRST) ? memory_fd : -1;
}

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return (xenforeignmemory_handle *)1;
}

int xenforeignmemory_close(xenforeignmemory_handle *handle)
{
    (void)handle;
    return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *handle, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t mfns[], int errors[])
{
    (void)handle;
    char *all = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < pages; i++) {
        off_t at;
        int fd = find(dom, mfns[i], &at);
        if (errors) errors[i] = fd < 0 ? -EINVAL : 0;
        if (fd >= 0) mmap(all + i * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED, fd, at);
        else if (!errors) {
            munmap(all, pages * PAGE);
            fail(EINVAL);
            return NULL;
        }
    }
    return all;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *handle, void *at, size_t pages)
{
    (void)handle;
    return munmap(at, pages * PAGE);
}

/* There are none: the tools then ask for the grant table's frames. */
xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
    xenforeignmemory_handle *handle, domid_t domid, unsigned type, unsigned id,
    unsigned long first, unsigned long count, void **at, int prot, int flags)
{
    (void)handle, (void)domid, (void)type, (void)id, (void)first, (void)count;
    (void)at, (void)prot, (void)flags;
    fail(EOPNOTSUPP);
    return NULL;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *handle,
                                    xenforeignmemory_resource_handle *resource)
{
    (void)handle, (void)resource;
    return 0;
}
