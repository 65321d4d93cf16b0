import { array, bytes, i64, struct, textOf, u32, u64 } from '@port-xen/layout';
import { RAX } from '@port-xen/vcpu';
import { EBADF, EFAULT, EINVAL, ENODEV, ENOENT, ENOSYS } from './errno.ts';
import { MAXTRANSFER, NOPERAND, O_ACCMODE, O_DSYNC, type Syscalls } from './syscalls.ts';
import { call, done, goto, leaf, type Routine, raw, routine, type Text } from './text.ts';

const PATH_MAX = 128;
const DEV = '/dev/';
const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;

const transfer = struct('sys_transfer', { fd: i64 });
const opening = struct('sys_opening', { path: bytes(PATH_MAX), flags: u64 });
/** Arguments of a system call. */
const NARG = 6;
const wiring = struct('syscall_wiring', {
  args: array(i64, NARG),
  /** Operands dealt with, and how many bytes of each are wired. */
  count: u32,
  pointers: array(i64, NOPERAND),
  lengths: array(i64, NOPERAND),
  result: i64,
});

/** An operand of the system call that the running lwp is in. */
const operandOf = (m: Syscalls, i: number) => {
  const so = m.entryOf(m.number)?.sy_operands.at(i);
  return so === undefined || so.so_pointer === 0 ? undefined : so;
};

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
      const at = f.f_offset;
      return call('moved', dev[direction], dev.d_softc, at, address, length, f.f_flag);
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

  /** A call with operands: their pages are wired (uvm_vslock) before it and let go (uvm_vsunlock) after it. */
  syscall_wired: routine(wiring, {
    start: (_, l, ...args) => {
      args.slice(0, NARG).forEach((value, i) => {
        l.args.set(i, value);
      });
      return goto('lock');
    },
    lock: (m, l) => {
      const so = l.count < NOPERAND ? operandOf(m, l.count) : undefined;
      if (so === undefined) return goto('call');
      const pointer = l.args.get(so.so_pointer - 1);
      let length = so.so_size;
      if (so.so_length !== 0) {
        length = Math.min(l.args.get(so.so_length - 1), MAXTRANSFER);
        l.args.set(so.so_length - 1, length);
      }
      l.pointers.set(l.count, pointer);
      l.lengths.set(l.count, length);
      // A null pointer may mean that nothing is wanted: the call knows.
      if (pointer === 0 || length <= 0) return goto('unwired');
      return call('locked', m.cpu.sym('uvm_vslock'), pointer, length, so.so_write);
    },
    unwired: (_, l) => {
      l.lengths.set(l.count++, 0);
      return goto('lock');
    },
    locked: (m, l, wired) => {
      const whole = wired === l.lengths.get(l.count);
      l.lengths.set(l.count, wired);
      const { so_length } = operandOf(m, l.count++) ?? { so_length: 0 };
      if (whole || so_length === 0) return goto('lock');
      l.result = -EFAULT;
      return goto('unlock');
    },
    call: (m, l) => {
      const args = Array.from({ length: NARG }, (_value, i) => l.args.get(i));
      return call('called', m.entryOf(m.number)?.sy_call ?? m.cpu.sym('sys_nosys'), ...args);
    },
    called: (_, l, result) => {
      l.result = result;
      return goto('unlock');
    },
    unlock: (m, l) => {
      if (l.count === 0) return done(l.result);
      l.count--;
      const length = l.lengths.get(l.count);
      if (length === 0) return goto('unlock');
      return call('unlock', m.cpu.sym('uvm_vsunlock'), l.pointers.get(l.count), length);
    },
  }),

  sys_open: routine(opening, {
    start: (m, l, path, flags) => {
      l.flags = flags & (O_ACCMODE | O_DSYNC);
      return call('named', m.cpu.sym('uvm_copyinstr'), path, l.address, PATH_MAX);
    },
    named: (m, l, length) => {
      if (length < 0) return done(length);
      const name = textOf(l.path);
      const dev = name.startsWith(DEV) ? m.cdevsw.lookup(name.slice(DEV.length)) : 0;
      if (dev === 0) return done(-ENOENT);
      const error = m.cdevsw.open(dev, l.flags);
      return done(error === 0 ? m.openFile(dev, l.flags) : -error);
    },
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

  sys_getpid: leaf((m) => m.curproc.p_pid),

  /** (fd): what was written is on the medium. */
  sys_fsync: routine(transfer, {
    start: (m, l, fd) => {
      const f = m.fileOf(fd);
      if (f === undefined) return done(-EBADF);
      const dev = m.cdevsw.at(f.f_cdev);
      l.fd = fd;
      return dev.d_sync === 0 ? done() : call('synced', dev.d_sync, dev.d_softc);
    },
    synced: (_, __, result) => done(result),
  }),

  sys_read: transferring('d_read'),
  sys_write: transferring('d_write'),
};
