/*
 * Genuine restore code (xc_domain_restore of Debian's libxenguest) over a toy machine, as a judge of images.
 *
 *     genuine-restore FILE...             each a bare libxc stream of a PV domain
 *     genuine-restore --again FILE OUT    restores FILE, and has xc_domain_save write the domain to OUT
 *
 * prints a line for each: "restored", "refused" or "aborted", a tab, and what genuine code said first. Every file is judged
 * in a process of its own, because genuine code may abort.
 *
 * The program defines the functions by which libxenctrl reaches Xen (xencall_*, xenforeignmemory_*), which win over the
 * shared libraries' own. Behind them is a machine of 64 Ki frames and one domain without memory. It checks what genuine
 * tools rely on: that frames are the domain's, and, when a page table is pinned or made a vCPU's root, that its entries
 * name tables of the level below, down to frames of the domain. It looks at no flag but "present".
 *
 * To be saved again the domain must have said where its P2M is, and put pfns into start_info, as a guest does before it
 * suspends. Nothing runs here, so publish() does it in the guest's place.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xentoollog.h>
#include <xencall.h>
#include <xenforeignmemory.h>
#include <xendevicemodel.h>
#include <xen/memory.h>
#include <xen/version.h>
#include <xen/grant_table.h>

enum { DOMAIN = 1, FRAMES = 1 << 16, BASE = 0x1000, SHARED_INFO = BASE, FIRST = BASE + 16 };
enum { M2P_BASE = 0x100000, M2P_PAGES = (BASE + FRAMES) / 512 + 1, CHUNK = 512 };

static int memory_fd, m2p_fd;
static uint64_t *m2p;
static unsigned char owned[FRAMES], level_of[FRAMES];
static unsigned next_frame = FIRST - BASE;
static char said[256];

/* What the tools have set, to be got again. */
static vcpu_guest_context_x86_64_t context;
static struct xen_domctl_ext_vcpucontext extended;
static struct xen_domctl_tsc_info tsc;
static unsigned char xsave[16 + 576], pinned[FRAMES];
static xen_cpuid_leaf_t leaves[256];
static xen_msr_entry_t msrs[16];
static unsigned leaf_count, msr_count, is_suspended;

static void *frame(uint64_t mfn)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, (mfn - BASE) * 4096L);
}

static int is_owned(uint64_t mfn) { return mfn >= BASE && mfn < BASE + FRAMES && owned[mfn - BASE]; }

static int fail(int error) { errno = error; return -1; }

/* A page table of a level, and what it names, become that level for good. */
static int take_table(uint64_t mfn, int level)
{
    if (!is_owned(mfn)) return 0;
    if (level_of[mfn - BASE]) return level_of[mfn - BASE] == level;
    level_of[mfn - BASE] = level;
    uint64_t *entries = frame(mfn);
    int good = 1;
    for (int i = 0; good && i < 512; i++) {
        if (!(entries[i] & 1) || (level == 4 && i >= 256 && i < 272)) continue;
        uint64_t named = (entries[i] >> 12) & 0xffffffffffULL;
        good = level == 1 ? is_owned(named) : take_table(named, level - 1);
    }
    munmap(entries, 4096);
    return good;
}

static int populate(struct xen_memory_reservation *r)
{
    xen_pfn_t *pfns = *(xen_pfn_t **)&r->extent_start;
    unsigned long done;
    for (done = 0; done < r->nr_extents; done++) {
        if (next_frame >= FRAMES) break;
        owned[next_frame] = 1;
        m2p[BASE + next_frame] = pfns[done];
        pfns[done] = BASE + next_frame++;
    }
    return done;
}

static int memory_op(unsigned cmd, void *arg)
{
    switch (cmd & 0x3f) {
    case XENMEM_maximum_ram_page: return BASE + FRAMES - 1;
    case XENMEM_maximum_gpfn: {
        shared_info_t *shared = frame(SHARED_INFO);
        int last = shared->arch.max_pfn ? shared->arch.max_pfn - 1 : 0;
        munmap(shared, 4096);
        return last;
    }
    case XENMEM_populate_physmap: return populate(arg);
    case XENMEM_machphys_mfn_list: {
        struct xen_machphys_mfn_list *list = arg;
        xen_pfn_t *chunks = *(xen_pfn_t **)&list->extent_start;
        unsigned count = (M2P_PAGES + CHUNK - 1) / CHUNK;
        for (unsigned i = 0; i < list->max_extents; i++)
            chunks[i] = M2P_BASE + (i < count ? i : count - 1) * CHUNK;
        list->nr_extents = list->max_extents;
        return 0;
    }
    }
    return fail(ENOSYS);
}

static int mmuext(struct mmuext_op *ops, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (ops[i].cmd > MMUEXT_PIN_L4_TABLE || !take_table(ops[i].arg1.mfn, ops[i].cmd + 1))
            return fail(EINVAL);
        pinned[ops[i].arg1.mfn - BASE] = 1;
    }
    return 0;
}

/* What Xen looks at when it is given a vCPU. */
static int set_context(vcpu_guest_context_x86_64_t *c)
{
    uint64_t addresses[] = { c->user_regs.rip, c->user_regs.rsp, c->kernel_sp, c->event_callback_eip,
        c->failsafe_callback_eip, c->syscall_callback_eip, c->fs_base, c->gs_base_kernel, c->gs_base_user, c->ldt_base };
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++)
        if ((int64_t)(addresses[i] << 16) >> 16 != (int64_t)addresses[i]) return fail(EINVAL);
    for (int i = 0; i < 256; i++) {
        uint64_t a = c->trap_ctxt[i].address;
        if ((int64_t)(a << 16) >> 16 != (int64_t)a) return fail(EINVAL);
    }
    if (c->gdt_ents > 8192) return fail(EINVAL);
    if (!take_table(c->ctrlreg[3] >> 12, 4)) return fail(EINVAL);
    if (c->ctrlreg[1] >> 12 && !take_table(c->ctrlreg[1] >> 12, 4)) return fail(EINVAL);
    context = *c;
    return 0;
}

static int page_types(struct xen_domctl_getpageframeinfo3 *info)
{
    xen_pfn_t *pages = *(xen_pfn_t **)&info->array;
    for (unsigned i = 0; i < info->num; i++) {
        uint64_t mfn = pages[i];
        if (!is_owned(mfn)) pages[i] = XEN_DOMCTL_PFINFO_XTAB;
        else pages[i] = (xen_pfn_t)level_of[mfn - BASE] << 28 | (pinned[mfn - BASE] ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
    }
    return 0;
}

static int xsave_state(struct xen_domctl_vcpuextstate *state, int set)
{
    uint64_t *bytes = *(uint64_t **)&state->buffer;
    state->xfeature_mask = 3;
    if (!set) {
        state->size = sizeof xsave;
        if (bytes) memcpy(bytes, xsave, sizeof xsave);
        return 0;
    }
    if (state->size == 16) return 0;
    if (state->size != sizeof xsave || (bytes[1] != 1 && bytes[1] != 3)) return fail(EINVAL);
    memcpy(xsave, bytes, sizeof xsave);
    return 0;
}

static int policy(struct xen_domctl_cpu_policy *p, int set)
{
    xen_cpuid_leaf_t *l = *(xen_cpuid_leaf_t **)&p->leaves;
    xen_msr_entry_t *m = *(xen_msr_entry_t **)&p->msrs;
    if (set) {
        if (p->nr_leaves > 256 || p->nr_msrs > 16) return fail(E2BIG);
        if (l) memcpy(leaves, l, (leaf_count = p->nr_leaves) * sizeof *l);
        if (m) memcpy(msrs, m, (msr_count = p->nr_msrs) * sizeof *m);
    } else {
        if (l) memcpy(l, leaves, leaf_count * sizeof *l);
        if (m) memcpy(m, msrs, msr_count * sizeof *m);
        p->nr_leaves = leaf_count;
        p->nr_msrs = msr_count;
    }
    return 0;
}

static int domctl(struct xen_domctl *op)
{
    switch (op->cmd) {
    case XEN_DOMCTL_getdomaininfo:
        memset(&op->u.getdomaininfo, 0, sizeof op->u.getdomaininfo);
        op->u.getdomaininfo.domain = op->domain = DOMAIN;
        op->u.getdomaininfo.flags = is_suspended
            ? XEN_DOMINF_shutdown | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift
            : XEN_DOMINF_paused;
        op->u.getdomaininfo.shared_info_frame = SHARED_INFO;
        op->u.getdomaininfo.max_pages = FRAMES;
        return 0;
    case XEN_DOMCTL_getvcpuinfo:
        memset(&op->u.getvcpuinfo, 0, sizeof op->u.getvcpuinfo);
        op->u.getvcpuinfo.online = 1;
        return 0;
    case XEN_DOMCTL_get_address_size: op->u.address_size.size = 64; return 0;
    case XEN_DOMCTL_set_address_size: return op->u.address_size.size == 64 ? 0 : fail(EINVAL);
    case XEN_DOMCTL_setvcpucontext:
        return set_context(*(void **)&op->u.vcpucontext.ctxt);
    case XEN_DOMCTL_getvcpucontext:
        memcpy(*(void **)&op->u.vcpucontext.ctxt, &context, sizeof context);
        return 0;
    case XEN_DOMCTL_set_ext_vcpucontext:
        extended = op->u.ext_vcpucontext;
        return extended.size >= 32 ? 0 : fail(EINVAL);
    case XEN_DOMCTL_get_ext_vcpucontext: op->u.ext_vcpucontext = extended; return 0;
    case XEN_DOMCTL_setvcpuextstate: return xsave_state(&op->u.vcpuextstate, 1);
    case XEN_DOMCTL_getvcpuextstate: return xsave_state(&op->u.vcpuextstate, 0);
    case XEN_DOMCTL_settscinfo:
        tsc = op->u.tsc_info;
        return tsc.tsc_mode <= 2 ? 0 : fail(EINVAL);
    case XEN_DOMCTL_gettscinfo: op->u.tsc_info = tsc; return 0;
    case XEN_DOMCTL_set_vcpu_msrs: return 0;
    case XEN_DOMCTL_get_vcpu_msrs: op->u.vcpu_msrs.msr_count = 0; return 0;
    case XEN_DOMCTL_set_cpu_policy: return policy(&op->u.cpu_policy, 1);
    case XEN_DOMCTL_get_cpu_policy: return policy(&op->u.cpu_policy, 0);
    case XEN_DOMCTL_getpageframeinfo3: return page_types(&op->u.getpageframeinfo3);
    case XEN_DOMCTL_shadow_op: return 0;
    }
    return fail(ENOSYS);
}

static int grant_table(unsigned cmd, struct gnttab_setup_table *setup)
{
    if (cmd != GNTTABOP_setup_table) return fail(ENOSYS);
    xen_pfn_t *frames = *(xen_pfn_t **)&setup->frame_list;
    for (unsigned i = 0; i < setup->nr_frames; i++) frames[i] = BASE + 1 + i;
    setup->status = GNTST_okay;
    return 0;
}

static int hypercall(unsigned op, uint64_t a, uint64_t b, uint64_t c)
{
    switch (op) {
    case __HYPERVISOR_xen_version: return a == XENVER_version ? (4 << 16) | 17 : fail(ENOSYS);
    case __HYPERVISOR_memory_op: return memory_op(a, (void *)b);
    case __HYPERVISOR_mmuext_op: return mmuext((void *)a, b);
    case __HYPERVISOR_grant_table_op: return grant_table(a, (void *)b);
    case __HYPERVISOR_domctl: return domctl((void *)a);
    case __HYPERVISOR_sysctl: {
        struct xen_sysctl *s = (void *)a;
        if (s->cmd != XEN_SYSCTL_get_cpu_policy) return fail(ENOSYS);
        s->u.cpu_policy.nr_leaves = 256;
        s->u.cpu_policy.nr_msrs = 16;
        return 0;
    }
    case __HYPERVISOR_multicall: {
        struct multicall_entry *calls = (void *)a;
        for (uint64_t i = 0; i < b; i++) {
            int rc = hypercall(calls[i].op, calls[i].args[0], calls[i].args[1], calls[i].args[2]);
            calls[i].result = rc < 0 ? -errno : rc;
        }
        return 0;
    }
    }
    (void)c;
    return fail(ENOSYS);
}

xencall_handle *xencall_open(xentoollog_logger *l, unsigned f) { (void)l, (void)f; return (void *)1; }
int xencall_close(xencall_handle *x) { (void)x; return 0; }
int xencall0(xencall_handle *x, unsigned op) { (void)x; return hypercall(op, 0, 0, 0); }
int xencall1(xencall_handle *x, unsigned op, uint64_t a) { (void)x; return hypercall(op, a, 0, 0); }
int xencall2(xencall_handle *x, unsigned op, uint64_t a, uint64_t b) { (void)x; return hypercall(op, a, b, 0); }
long xencall2L(xencall_handle *x, unsigned op, uint64_t a, uint64_t b) { (void)x; return hypercall(op, a, b, 0); }
int xencall3(xencall_handle *x, unsigned op, uint64_t a, uint64_t b, uint64_t c) { (void)x; return hypercall(op, a, b, c); }
int xencall4(xencall_handle *x, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d) { (void)x, (void)d; return hypercall(op, a, b, c); }
int xencall5(xencall_handle *x, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { (void)x, (void)d, (void)e; return hypercall(op, a, b, c); }
void *xencall_alloc_buffer(xencall_handle *x, size_t n) { (void)x; return calloc(1, n); }
void xencall_free_buffer(xencall_handle *x, void *p) { (void)x; free(p); }
void *xencall_alloc_buffer_pages(xencall_handle *x, size_t n) { (void)x; return aligned_alloc(4096, n * 4096); }
void xencall_free_buffer_pages(xencall_handle *x, void *p, size_t n) { (void)x, (void)n; free(p); }
int xencall_buffers_never_fault(xencall_handle *x) { (void)x; return 1; }

xendevicemodel_handle *xendevicemodel_open(xentoollog_logger *l, unsigned f) { (void)l, (void)f; return (void *)1; }
int xendevicemodel_close(xendevicemodel_handle *d) { (void)d; return 0; }

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *l, unsigned f) { (void)l, (void)f; return (void *)1; }
int xenforeignmemory_close(xenforeignmemory_handle *f) { (void)f; return 0; }

void *xenforeignmemory_map2(xenforeignmemory_handle *f, uint32_t dom, void *hint, int prot, int flags, size_t pages,
                            const xen_pfn_t mfns[], int errors[])
{
    (void)f, (void)hint, (void)flags;
    char *at = mmap(NULL, pages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < pages; i++) {
        int is_m2p = dom == DOMID_XEN && mfns[i] >= M2P_BASE;
        uint64_t frame = is_m2p ? mfns[i] - M2P_BASE : mfns[i] - BASE;
        int good = is_m2p || (mfns[i] >= BASE && mfns[i] < BASE + FRAMES && (owned[frame] || mfns[i] < FIRST));
        if (errors) errors[i] = good ? 0 : -EINVAL;
        else if (!good) { munmap(at, pages * 4096); errno = EINVAL; return NULL; }
        if (good) mmap(at + i * 4096, 4096, prot, MAP_SHARED | MAP_FIXED, is_m2p ? m2p_fd : memory_fd, frame * 4096);
    }
    return at;
}

void *xenforeignmemory_map(xenforeignmemory_handle *f, uint32_t dom, int prot, size_t pages, const xen_pfn_t mfns[], int errors[])
{
    return xenforeignmemory_map2(f, dom, NULL, prot, 0, pages, mfns, errors);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *f, void *at, size_t pages) { (void)f; return munmap(at, pages * 4096); }

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *f, domid_t domid, unsigned type,
    unsigned id, unsigned long frame, unsigned long count, void **at, int prot, int flags)
{
    (void)f, (void)domid, (void)type, (void)id, (void)frame, (void)count, (void)at, (void)prot, (void)flags;
    errno = EOPNOTSUPP;
    return NULL;
}
int xenforeignmemory_unmap_resource(xenforeignmemory_handle *f, xenforeignmemory_resource_handle *r) { (void)f, (void)r; return 0; }

static void keep(xentoollog_logger *l, xentoollog_level level, int error, const char *context, const char *format, va_list args)
{
    (void)l, (void)error, (void)context;
    if (level >= XTL_ERROR && !said[0]) vsnprintf(said, sizeof said, format, args);
}
static void progress(xentoollog_logger *l, const char *context, const char *doing, int percent, unsigned long done, unsigned long total)
{
    (void)l, (void)context, (void)doing, (void)percent, (void)done, (void)total;
}
static void destroy(xentoollog_logger *l) { (void)l; }
static int static_data_done(unsigned missing, void *data) { (void)missing, (void)data; return 0; }

static uint64_t new_frame(void)
{
    owned[next_frame] = 1;
    return BASE + next_frame++;
}

/* What a guest does before it suspends: the tree of frame lists, and pfns in start_info. @pfns: the P2M's own pages */
static void publish(const uint64_t *pfns, unsigned count)
{
    uint64_t root = new_frame(), *lists = frame(root), *list = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (i % 512 == 0) list = frame(lists[i / 512] = new_frame());
        for (unsigned f = FIRST - BASE; f < next_frame; f++)
            if (m2p[BASE + f] == pfns[i]) list[i % 512] = BASE + f;
    }
    shared_info_t *shared = frame(SHARED_INFO);
    shared->arch.pfn_to_mfn_frame_list_list = root;
    shared->arch.p2m_cr3 = 0;
    start_info_t *start = frame(context.user_regs.rdx);
    start->store_mfn = m2p[start->store_mfn];
    start->console.domU.mfn = m2p[start->console.domU.mfn];
    is_suspended = 1;
}

/* Finds X86_PV_P2M_FRAMES in a good file, and has its pages published. */
static int publish_from(int fd)
{
    uint32_t header[2];
    for (off_t at = 40; pread(fd, header, 8, at) == 8; at += 8 + ((header[1] + 7) & ~7u)) {
        if (header[0] != 3) continue;
        unsigned count = (header[1] - 8) / 8;
        uint64_t *pfns = malloc(count * 8);
        if (pread(fd, pfns, count * 8, at + 16) != (ssize_t)(count * 8)) return -1;
        publish(pfns, count);
        return 0;
    }
    return -1;
}

static int suspend(void *data) { (void)data; return 1; }

/* In a process of its own. @again: where the restored domain is to be saved, or NULL */
static int judge(const char *path, const char *again)
{
    xentoollog_logger logger = { keep, progress, destroy };
    struct restore_callbacks callbacks = { .static_data_done = static_data_done };
    struct save_callbacks save = { .suspend = suspend };
    unsigned long store = 0, console = 0;
    int fd = open(path, O_RDONLY);
    memory_fd = memfd_create("memory", 0);
    m2p_fd = memfd_create("m2p", 0);
    if (fd < 0 || ftruncate(memory_fd, FRAMES * 4096L) || ftruncate(m2p_fd, (M2P_PAGES + CHUNK) * 4096L)) return 3;
    m2p = mmap(NULL, (M2P_PAGES + CHUNK) * 4096L, PROT_READ | PROT_WRITE, MAP_SHARED, m2p_fd, 0);
    memset(m2p, 0xff, M2P_PAGES * 4096L);
    xc_interface *xch = xc_interface_open(&logger, &logger, 0);
    int rc = xc_domain_restore(xch, fd, DOMAIN, 1, &store, 0, 2, &console, 0, XC_STREAM_PLAIN, &callbacks, -1);
    if (rc == 0 && again) {
        int out = open(again, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        rc = publish_from(fd) ?: xc_domain_save(xch, out, DOMAIN, 0, &save, XC_STREAM_PLAIN, -1);
    }
    printf("%s\t%s\n", rc ? "refused" : "restored", said);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const char *again = argc == 4 && !strcmp(argv[1], "--again") ? argv[3] : NULL;
    int first = again ? 2 : 1, last = again ? 3 : argc;
    for (int i = first; i < last; i++) {
        int status;
        fflush(stdout);
        if (fork() == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(3);
            _exit(judge(argv[i], again));
        }
        wait(&status);
        if (WIFSIGNALED(status)) printf("aborted\tsignal %d\n", WTERMSIG(status));
        else if (WEXITSTATUS(status)) return WEXITSTATUS(status);
    }
    return 0;
}
