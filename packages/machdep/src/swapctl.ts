/*
 * swapctl -a, before the first program: the disks that pages go to. The kernel's command line has `swap=/dev/xbdN` before `init=`, once for
 * each. A disk that cannot be used is told, and the domain goes on without it.
 */
import { EROFS, O_RDWR, PAGE_SIZE } from '@port-xen/kern';
import type { Machdep } from './machdep.ts';

/** Begins to use a disk. @returns what is to be told of it */
const add = (m: Machdep, name: string): string => {
  const { cpu, cdevsw } = m.kern;
  const { swap } = m.uvm;
  const address = cdevsw.lookup(name);
  const dev = cdevsw.at(address);
  if (address === 0 || dev.d_size === 0 || dev.d_write === 0) return `no disk /dev/${name}`;
  if (swap.isOn(address)) return `/dev/${name} is used already`;
  if (!swap.hasRoom) return `/dev/${name} is one disk too many, it is not used`;
  const error = cdevsw.open(address, O_RDWR);
  if (error === EROFS) return `/dev/${name}: Read-only file system`;
  if (error !== 0) return `/dev/${name}: error ${error}`;
  const size = cpu.call(dev.d_size, dev.d_softc);
  if (size < PAGE_SIZE) return `/dev/${name} has less than a page`;
  return `/dev/${name}, ${cpu.call(cpu.sym('uvm_swap_on'), address, size)} pages`;
};

/** @param options the kernel's command line up to `init=` */
export const swapOn = (m: Machdep, options: string): void => {
  for (const [, name = ''] of options.matchAll(/(?<=^| )swap=\/dev\/(\S+)/g)) {
    m.kern.msgbuf.printf(`swapctl: ${add(m, name)}\n`);
  }
};
