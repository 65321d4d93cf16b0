/*
 * A toy machine for genuine Xen tools: 64 Ki frames, one PV domain, and the M2P.
 *
 *     mfn BASE                shared_info
 *     mfn BASE + 1 ...        frames of the grant table
 *     mfn FIRST ...           the domain's, given in ascending order
 *     mfn M2P_BASE ...        the M2P, for whoever maps it as DOMID_XEN
 *
 * Its memory is two memfds, so that a page can be mapped any number of times. Nothing runs in it.
 * It checks what the tools rely on: that frames are the domain's, and, when a page table is pinned
 * or made a vCPU's root, that its entries name tables of the level below, down to frames of the
 * domain. It looks at no flag but "present".
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>
#include <xenctrl.h>

enum { DOMAIN = 1, FRAMES = 1 << 16, BASE = 0x1000, SHARED_INFO = BASE, FIRST = BASE + 16 };
enum { M2P_BASE = 0x100000, M2P_CHUNK = 512 };
enum { M2P_PAGES = (BASE + FRAMES) / 512 + 1 };

/* What the tools have set, to be got again. */
struct tool_state {
    vcpu_guest_context_x86_64_t context;
    struct xen_domctl_ext_vcpucontext extended;
    struct xen_domctl_tsc_info tsc;
    unsigned char xsave[16 + 576];
    xen_cpuid_leaf_t leaves[256];
    xen_msr_entry_t msrs[16];
    unsigned leaf_count, msr_count;
    int is_suspended;
};

extern struct tool_state state;
/* The pfn of each frame, by mfn. */
extern uint64_t *m2p;

/* Sets errno. Returns -1. */
int fail(int error);
/* Makes the machine. Returns 0, or -1. */
int make_machine(void);
/* A frame, mapped for good. */
void *frame(uint64_t mfn);
/* The next frame, the domain's from now on; 0 when there is none. */
uint64_t new_frame(void);
/* One past the last frame that was given. */
uint64_t frames_end(void);
int is_owned(uint64_t mfn);
/* A page table, and what it names, become of their levels for good. Returns whether they can. */
int take_table(uint64_t mfn, int level);
int pin_table(uint64_t mfn, int level);
/* The XEN_DOMCTL_PFINFO_* of a frame. */
xen_pfn_t type_of(uint64_t mfn);

int domctl(struct xen_domctl *op);

#endif
