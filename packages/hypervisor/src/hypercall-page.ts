/*
 * The hypercall page (xen/arch/x86/pv/hypercall.c): 128 stubs of 32 bytes.
 *
 *     51           push rcx          iret (23) is jumped to and never returns:
 *     41 53        push r11          51 41 53 50 b8 17 00 00 00 0f 05
 *     b8 n         mov eax, n
 *     0f 05        syscall           what is left of the page is int3
 *     41 5b 59 c3  pop r11; pop rcx; ret
 */
import { __HYPERVISOR_iret } from '@port-xen/abi';

const STUB_SIZE = 32;
const STUBS = 128;

/** Fills a frame. @param page 4096 bytes */
export const fillHypercallPage = (page: Uint8Array): void => {
  page.fill(0xcc);
  for (let n = 0; n < STUBS; n++) {
    const number = [n & 0xff, n >>> 8, 0, 0];
    page.set(
      n === __HYPERVISOR_iret
        ? [0x51, 0x41, 0x53, 0x50, 0xb8, ...number, 0x0f, 0x05]
        : [0x51, 0x41, 0x53, 0xb8, ...number, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3],
      n * STUB_SIZE,
    );
  }
};
