/*
 * Exception vectors (Intel SDM vol. 3, 6.3.1), under the names of xen/include/asm-x86/x86-defns.h, which is not public.
 */
export const TRAP_divide_error = 0;
export const TRAP_debug = 1;
export const TRAP_nmi = 2;
export const TRAP_int3 = 3;
export const TRAP_overflow = 4;
export const TRAP_bounds = 5;
export const TRAP_invalid_op = 6;
export const TRAP_no_device = 7;
export const TRAP_double_fault = 8;
export const TRAP_copro_seg = 9;
export const TRAP_invalid_tss = 10;
export const TRAP_no_segment = 11;
export const TRAP_stack_error = 12;
export const TRAP_gp_fault = 13;
export const TRAP_page_fault = 14;
export const TRAP_spurious_int = 15;
export const TRAP_copro_error = 16;
export const TRAP_alignment_check = 17;
export const TRAP_machine_check = 18;
export const TRAP_simd_error = 19;
