/*
 * What the toolstack asks of Xen about the domain: types of its pages, and what it was given of
 * its vCPU, clock and policy.
 */
#include "machine.h"
#include <errno.h>
#include <string.h>

enum { XSAVE_HEADER = 16, X87_AND_SSE = 3, EXTENDED_MIN = 32 };
enum { GDT_ENTRIES_MAX = 8192, TSC_MODES = 3 };

/* The pointer within a guest handle. */
#define POINTER(handle) (*(void **)&(handle))

static int is_canonical(uint64_t address)
{
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

/* What Xen looks at when it is given a vCPU. */
static int set_context(const vcpu_guest_context_x86_64_t *c)
{
    const uint64_t addresses[] = {
        c->user_regs.rip, c->user_regs.rsp, c->kernel_sp, c->event_callback_eip,
        c->failsafe_callback_eip, c->syscall_callback_eip, c->fs_base, c->gs_base_kernel,
        c->gs_base_user, c->ldt_base,
    };
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++)
        if (!is_canonical(addresses[i])) return fail(EINVAL);
    for (int i = 0; i < 256; i++)
        if (!is_canonical(c->trap_ctxt[i].address)) return fail(EINVAL);
    if (c->gdt_ents > GDT_ENTRIES_MAX) return fail(EINVAL);
    if (!take_table(c->ctrlreg[3] >> 12, 4)) return fail(EINVAL);
    if (c->ctrlreg[1] >> 12 && !take_table(c->ctrlreg[1] >> 12, 4)) return fail(EINVAL);
    state.context = *c;
    return 0;
}

static int get_info(struct xen_domctl *op)
{
    struct xen_domctl_getdomaininfo *info = &op->u.getdomaininfo;
    memset(info, 0, sizeof *info);
    info->domain = op->domain = DOMAIN;
    info->flags = state.is_suspended
        ? XEN_DOMINF_shutdown | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift
        : XEN_DOMINF_paused;
    info->shared_info_frame = SHARED_INFO;
    info->max_pages = FRAMES;
    return 0;
}

static int get_types(struct xen_domctl_getpageframeinfo3 *info)
{
    xen_pfn_t *pages = POINTER(info->array);
    for (unsigned i = 0; i < info->num; i++) pages[i] = type_of(pages[i]);
    return 0;
}

static int get_xsave(struct xen_domctl_vcpuextstate *xsave)
{
    void *into = POINTER(xsave->buffer);
    xsave->xfeature_mask = X87_AND_SSE;
    xsave->size = sizeof state.xsave;
    if (into) memcpy(into, state.xsave, sizeof state.xsave);
    return 0;
}

static int set_xsave(const struct xen_domctl_vcpuextstate *xsave)
{
    const uint64_t *from = POINTER(xsave->buffer);
    if (xsave->size == XSAVE_HEADER) return 0;
    if (xsave->size != sizeof state.xsave) return fail(EINVAL);
    if (from[1] != 1 && from[1] != X87_AND_SSE) return fail(EINVAL);
    memcpy(state.xsave, from, sizeof state.xsave);
    return 0;
}

static int set_policy(const struct xen_domctl_cpu_policy *p)
{
    const void *leaves = POINTER(p->leaves), *msrs = POINTER(p->msrs);
    if (p->nr_leaves > 256 || p->nr_msrs > 16) return fail(E2BIG);
    if (leaves) memcpy(state.leaves, leaves, p->nr_leaves * sizeof *state.leaves);
    if (leaves) state.leaf_count = p->nr_leaves;
    if (msrs) memcpy(state.msrs, msrs, p->nr_msrs * sizeof *state.msrs);
    if (msrs) state.msr_count = p->nr_msrs;
    return 0;
}

static int get_policy(struct xen_domctl_cpu_policy *p)
{
    void *leaves = POINTER(p->leaves), *msrs = POINTER(p->msrs);
    if (leaves) memcpy(leaves, state.leaves, state.leaf_count * sizeof *state.leaves);
    if (msrs) memcpy(msrs, state.msrs, state.msr_count * sizeof *state.msrs);
    p->nr_leaves = state.leaf_count;
    p->nr_msrs = state.msr_count;
    return 0;
}

int domctl(struct xen_domctl *op)
{
    switch (op->cmd) {
    case XEN_DOMCTL_getdomaininfo: return get_info(op);
    case XEN_DOMCTL_getvcpuinfo:
        memset(&op->u.getvcpuinfo, 0, sizeof op->u.getvcpuinfo);
        op->u.getvcpuinfo.online = 1;
        return 0;
    case XEN_DOMCTL_get_address_size: op->u.address_size.size = 64; return 0;
    case XEN_DOMCTL_set_address_size: return op->u.address_size.size == 64 ? 0 : fail(EINVAL);
    case XEN_DOMCTL_getpageframeinfo3: return get_types(&op->u.getpageframeinfo3);
    case XEN_DOMCTL_setvcpucontext: return set_context(POINTER(op->u.vcpucontext.ctxt));
    case XEN_DOMCTL_getvcpucontext:
        memcpy(POINTER(op->u.vcpucontext.ctxt), &state.context, sizeof state.context);
        return 0;
    case XEN_DOMCTL_set_ext_vcpucontext:
        state.extended = op->u.ext_vcpucontext;
        return state.extended.size >= EXTENDED_MIN ? 0 : fail(EINVAL);
    case XEN_DOMCTL_get_ext_vcpucontext: op->u.ext_vcpucontext = state.extended; return 0;
    case XEN_DOMCTL_setvcpuextstate: return set_xsave(&op->u.vcpuextstate);
    case XEN_DOMCTL_getvcpuextstate: return get_xsave(&op->u.vcpuextstate);
    case XEN_DOMCTL_settscinfo:
        state.tsc = op->u.tsc_info;
        return state.tsc.tsc_mode < TSC_MODES ? 0 : fail(EINVAL);
    case XEN_DOMCTL_gettscinfo: op->u.tsc_info = state.tsc; return 0;
    case XEN_DOMCTL_set_vcpu_msrs: return 0;
    case XEN_DOMCTL_get_vcpu_msrs: op->u.vcpu_msrs.msr_count = 0; return 0;
    case XEN_DOMCTL_set_cpu_policy: return set_policy(&op->u.cpu_policy);
    case XEN_DOMCTL_get_cpu_policy: return get_policy(&op->u.cpu_policy);
    case XEN_DOMCTL_shadow_op: return 0;
    }
    return fail(ENOSYS);
}
