export { Uvm } from './uvm.ts';
export { PAGE_SIZE as UVM_PAGE_SIZE, uvm_data, VM_MIN_KERNEL_ADDRESS } from './uvm-data.ts';
export type { UvmKern, UvmPmap, UvmUserPmaps } from './uvm-kernel.ts';
export { SPACE_SPARE } from './uvm-map.ts';
export { uvmText } from './uvm-text.ts';
