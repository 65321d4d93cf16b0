import { i64, struct, u64 } from '@port-xen/layout';
import { RAX } from '@port-xen/vcpu';
import { copyinstr } from './copy.ts';
import { EBADF, EFAULT, EINVAL, ENODEV, ENOENT, ENOSYS } from './errno.ts';
import type { Syscalls } from './syscalls.ts';
import { call, done, leaf, type Routine, raw, routine, type Text } from './text.ts';

const PATH_MAX = 128;
const DEV = '/dev/';
const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;

const transfer = struct('sys_transfer', { fd: i64 });
const exiting = struct('sys_exiting', { pad: u64 });

/** (fd, address, length): the device's own text moves the bytes, the file's offset follows. */
const transferring = (direction: 'd_read' | 'd_write'): Routine<Syscalls> =>
  routine(transfer, {
    start: (m, l, fd, address, length) => {
      const f = m.fileOf(fd);
      if (f === undefined) return done(-EBADF);
      if (length < 0) return done(-EINVAL);
      const dev = m.cdevsw.at(f.f_cdev);
      if (dev[direction] === 0) return done(-ENODEV);
      l.fd = fd;
      return call('moved', dev[direction], dev.d_softc, f.f_offset, address, length);
    },
    moved: (m, l, result) => {
      const f = m.fileOf(l.fd);
      if (f !== undefined && result > 0) f.f_offset += result;
      return done(result);
    },
  });

/** The system calls that need nothing but files. */
export const syscallsText: Text<Syscalls> = {
  syscall_entry: raw((m) => m.entry()),
  syscall_return: raw((m, cpu) => m.return(cpu.registers.get(RAX))),
  sys_nosys: leaf(() => -ENOSYS),

  sys_exit: routine(exiting, {
    start: (m, _, status) => {
      m.exit(status);
      return call('never', m.cpu.sym('lwp_exit'));
    },
    never: () => done(),
  }),

  sys_open: leaf((m, path) => {
    const name = copyinstr(m.cpu, path, PATH_MAX);
    if (name === undefined) return -EFAULT;
    const dev = name.startsWith(DEV) ? m.cdevsw.lookup(name.slice(DEV.length)) : 0;
    return dev === 0 ? -ENOENT : m.openFile(dev);
  }),

  sys_close: leaf((m, fd) => (m.closeFile(fd) ? 0 : -EBADF)),

  sys_lseek: leaf((m, fd, offset, whence) => {
    const f = m.fileOf(fd);
    if (f === undefined) return -EBADF;
    const dev = m.cdevsw.at(f.f_cdev);
    let base: number;
    if (whence === SEEK_SET) base = 0;
    else if (whence === SEEK_CUR) base = f.f_offset;
    else if (whence === SEEK_END && dev.d_size !== 0) base = m.cpu.call(dev.d_size, dev.d_softc);
    else return -EINVAL;
    if (base + offset < 0) return -EINVAL;
    f.f_offset = base + offset;
    return f.f_offset;
  }),

  sys_read: transferring('d_read'),
  sys_write: transferring('d_write'),
};
