/*
 * libxencall's functions: they win over the shared library's own, and every hypercall of the tools
 * comes here.
 */
#include "machine.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/version.h>
#include <xencall.h>
#include <xendevicemodel.h>

enum { PAGE = 4096, SUBOP_MASK = 0x3f, XEN_4_17 = 4 << 16 | 17, LEAVES = 256, MSRS = 16 };

static int populate(struct xen_memory_reservation *reservation)
{
    xen_pfn_t *pfns = *(xen_pfn_t **)&reservation->extent_start;
    unsigned long done;
    for (done = 0; done < reservation->nr_extents; done++) {
        uint64_t mfn = new_frame();
        if (mfn == 0) break;
        m2p[mfn] = pfns[done];
        pfns[done] = mfn;
    }
    return done;
}

/* The first frame of each 2 MiB of the M2P. */
static int machphys(struct xen_machphys_mfn_list *list)
{
    xen_pfn_t *chunks = *(xen_pfn_t **)&list->extent_start;
    unsigned count = (M2P_PAGES + M2P_CHUNK - 1) / M2P_CHUNK;
    for (unsigned i = 0; i < list->max_extents; i++)
        chunks[i] = M2P_BASE + (i < count ? i : count - 1) * M2P_CHUNK;
    list->nr_extents = list->max_extents;
    return 0;
}

/* The domain's last pfn, as it says itself. */
static int maximum_gpfn(void)
{
    shared_info_t *shared = frame(SHARED_INFO);
    int last = shared->arch.max_pfn ? shared->arch.max_pfn - 1 : 0;
    munmap(shared, PAGE);
    return last;
}

static int memory_op(unsigned cmd, void *arg)
{
    switch (cmd & SUBOP_MASK) {
    case XENMEM_maximum_ram_page: return BASE + FRAMES - 1;
    case XENMEM_maximum_gpfn: return maximum_gpfn();
    case XENMEM_populate_physmap: return populate(arg);
    case XENMEM_machphys_mfn_list: return machphys(arg);
    }
    return fail(ENOSYS);
}

static int mmuext_op(const struct mmuext_op *ops, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (ops[i].cmd > MMUEXT_PIN_L4_TABLE) return fail(EINVAL);
        if (!pin_table(ops[i].arg1.mfn, ops[i].cmd + 1)) return fail(EINVAL);
    }
    return 0;
}

static int grant_table_op(unsigned cmd, struct gnttab_setup_table *setup)
{
    if (cmd != GNTTABOP_setup_table) return fail(ENOSYS);
    xen_pfn_t *frames = *(xen_pfn_t **)&setup->frame_list;
    for (unsigned i = 0; i < setup->nr_frames; i++) frames[i] = SHARED_INFO + 1 + i;
    setup->status = GNTST_okay;
    return 0;
}

static int sysctl(struct xen_sysctl *op)
{
    if (op->cmd != XEN_SYSCTL_get_cpu_policy) return fail(ENOSYS);
    op->u.cpu_policy.nr_leaves = LEAVES;
    op->u.cpu_policy.nr_msrs = MSRS;
    return 0;
}

static int hypercall(unsigned op, uint64_t a, uint64_t b)
{
    struct multicall_entry *calls = (void *)a;
    switch (op) {
    case __HYPERVISOR_xen_version: return a == XENVER_version ? XEN_4_17 : fail(ENOSYS);
    case __HYPERVISOR_memory_op: return memory_op(a, (void *)b);
    case __HYPERVISOR_mmuext_op: return mmuext_op((void *)a, b);
    case __HYPERVISOR_grant_table_op: return grant_table_op(a, (void *)b);
    case __HYPERVISOR_domctl: return domctl((void *)a);
    case __HYPERVISOR_sysctl: return sysctl((void *)a);
    case __HYPERVISOR_multicall:
        for (uint64_t i = 0; i < b; i++) {
            int rc = hypercall(calls[i].op, calls[i].args[0], calls[i].args[1]);
            calls[i].result = rc < 0 ? -errno : rc;
        }
        return 0;
    }
    return fail(ENOSYS);
}

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return (xencall_handle *)1;
}

int xencall_close(xencall_handle *h) { return h == NULL; }
int xencall_buffers_never_fault(xencall_handle *h) { return h != NULL; }

int xencall1(xencall_handle *h, unsigned op, uint64_t a)
{
    (void)h;
    return hypercall(op, a, 0);
}

int xencall2(xencall_handle *h, unsigned op, uint64_t a, uint64_t b)
{
    (void)h;
    return hypercall(op, a, b);
}

int xencall3(xencall_handle *h, unsigned op, uint64_t a, uint64_t b, uint64_t c)
{
    (void)h, (void)c;
    return hypercall(op, a, b);
}

int xencall4(xencall_handle *h, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    (void)h, (void)c, (void)d;
    return hypercall(op, a, b);
}

void *xencall_alloc_buffer(xencall_handle *h, size_t size)
{
    (void)h;
    return calloc(1, size);
}

void xencall_free_buffer(xencall_handle *h, void *buffer)
{
    (void)h;
    free(buffer);
}

void *xencall_alloc_buffer_pages(xencall_handle *h, size_t pages)
{
    (void)h;
    return aligned_alloc(PAGE, pages * PAGE);
}

void xencall_free_buffer_pages(xencall_handle *h, void *buffer, size_t pages)
{
    (void)h, (void)pages;
    free(buffer);
}

xendevicemodel_handle *xendevicemodel_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return (xendevicemodel_handle *)1;
}

int xendevicemodel_close(xendevicemodel_handle *h) { return h == NULL; }
