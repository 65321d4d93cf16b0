export { Uvm, type UvmPmap, uvm_data, VM_MIN_KERNEL_ADDRESS } from './uvm.ts';
export { uvmText } from './uvm-text.ts';
