export { USER_BASE } from './flat-pmap.ts';
export type { TestBase } from './test-base.ts';
export { MODES, TestGuest, type TestGuestOptions } from './test-guest.ts';
export { type TestKernel, testKernel } from './test-kernel.ts';
