/*
 * Event channels.
 *
 * xen/include/public/event_channel.h
 */
import { array, nest, struct, u8, u16, u32, u64, union } from '@port-xen/layout';

export const EVTCHNOP_close = 3;
export const EVTCHNOP_send = 4;
export const EVTCHNOP_status = 5;
export const EVTCHNOP_unmask = 9;
export const EVTCHNOP_reset = 10;
export const EVTCHNOP_alloc_unbound = 6;
export const EVTCHNOP_bind_interdomain = 0;
export const EVTCHNOP_bind_virq = 1;
export const EVTCHNOP_bind_pirq = 2;
export const EVTCHNOP_bind_ipi = 7;
export const EVTCHNOP_bind_vcpu = 8;
export const EVTCHNOP_expand_array = 12;
export const EVTCHNOP_init_control = 11;
export const EVTCHNOP_set_priority = 13;

export const EVTCHNSTAT_closed = 0;
export const EVTCHNSTAT_unbound = 1;
export const EVTCHNSTAT_interdomain = 2;
export const EVTCHNSTAT_pirq = 3;
export const EVTCHNSTAT_virq = 4;
export const EVTCHNSTAT_ipi = 5;

export const EVTCHN_2L_NR_CHANNELS = 0x1000;
export const EVTCHN_FIFO_PRIORITY_MAX = 0;
export const EVTCHN_FIFO_PRIORITY_DEFAULT = 7;
export const EVTCHN_FIFO_PRIORITY_MIN = 15;
export const EVTCHN_FIFO_MAX_QUEUES = 16;
export const EVTCHN_FIFO_LINK_BITS = 17;
export const EVTCHN_FIFO_BUSY = 28;
export const EVTCHN_FIFO_LINKED = 29;
export const EVTCHN_FIFO_MASKED = 30;
export const EVTCHN_FIFO_PENDING = 31;
export const EVTCHN_FIFO_LINK_MASK = 0x1ffff;
export const EVTCHN_FIFO_NR_CHANNELS = 0x20000;

/** `struct evtchn_alloc_unbound`, 8 bytes. */
export const evtchn_alloc_unbound = struct('evtchn_alloc_unbound', {
  dom: u16,
  remote_dom: u16,
  port: u32,
});

/** `struct evtchn_bind_interdomain`, 12 bytes. */
export const evtchn_bind_interdomain = struct('evtchn_bind_interdomain', {
  remote_dom: u16,
  remote_port: u32,
  local_port: u32,
});

/** `struct evtchn_bind_virq`, 12 bytes. */
export const evtchn_bind_virq = struct('evtchn_bind_virq', {
  virq: u32,
  vcpu: u32,
  port: u32,
});

/** `struct evtchn_bind_pirq`, 12 bytes. */
export const evtchn_bind_pirq = struct('evtchn_bind_pirq', {
  pirq: u32,
  flags: u32,
  port: u32,
});

/** `struct evtchn_bind_ipi`, 8 bytes. */
export const evtchn_bind_ipi = struct('evtchn_bind_ipi', {
  vcpu: u32,
  port: u32,
});

/** `struct evtchn_close`, 4 bytes. */
export const evtchn_close = struct('evtchn_close', {
  port: u32,
});

/** `struct evtchn_send`, 4 bytes. */
export const evtchn_send = struct('evtchn_send', {
  port: u32,
});

const evtchn_status_u_unbound = struct('evtchn_status_u_unbound', {
  dom: u16,
});
const evtchn_status_u_interdomain = struct('evtchn_status_u_interdomain', {
  dom: u16,
  port: u32,
});
const evtchn_status_u = union('evtchn_status_u', {
  unbound: nest(evtchn_status_u_unbound),
  interdomain: nest(evtchn_status_u_interdomain),
  pirq: u32,
  virq: u32,
});
/** `struct evtchn_status`, 24 bytes. */
export const evtchn_status = struct('evtchn_status', {
  dom: u16,
  port: u32,
  status: u32,
  vcpu: u32,
  u: nest(evtchn_status_u),
});

/** `struct evtchn_bind_vcpu`, 8 bytes. */
export const evtchn_bind_vcpu = struct('evtchn_bind_vcpu', {
  port: u32,
  vcpu: u32,
});

/** `struct evtchn_unmask`, 4 bytes. */
export const evtchn_unmask = struct('evtchn_unmask', {
  port: u32,
});

/** `struct evtchn_reset`, 2 bytes. */
export const evtchn_reset = struct('evtchn_reset', {
  dom: u16,
});

/** `struct evtchn_init_control`, 24 bytes. */
export const evtchn_init_control = struct('evtchn_init_control', {
  control_gfn: u64,
  offset: u32,
  vcpu: u32,
  link_bits: u8,
  _pad: array(u8, 7),
});

/** `struct evtchn_expand_array`, 8 bytes. */
export const evtchn_expand_array = struct('evtchn_expand_array', {
  array_gfn: u64,
});

/** `struct evtchn_set_priority`, 8 bytes. */
export const evtchn_set_priority = struct('evtchn_set_priority', {
  port: u32,
  priority: u32,
});

const evtchn_op_u = union('evtchn_op_u', {
  alloc_unbound: nest(evtchn_alloc_unbound),
  bind_interdomain: nest(evtchn_bind_interdomain),
  bind_virq: nest(evtchn_bind_virq),
  bind_pirq: nest(evtchn_bind_pirq),
  bind_ipi: nest(evtchn_bind_ipi),
  close: nest(evtchn_close),
  send: nest(evtchn_send),
  status: nest(evtchn_status),
  bind_vcpu: nest(evtchn_bind_vcpu),
  unmask: nest(evtchn_unmask),
});
/** `struct evtchn_op`, 28 bytes. */
export const evtchn_op = struct('evtchn_op', {
  cmd: u32,
  u: nest(evtchn_op_u),
});

/** `struct evtchn_fifo_control_block`, 72 bytes. */
export const evtchn_fifo_control_block = struct('evtchn_fifo_control_block', {
  ready: u32,
  _rsvd: u32,
  head: array(u32, 16),
});
