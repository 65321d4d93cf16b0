/*
 * What the test kernel keeps, and pages that it uses for what real kernels ask uvm for.
 */
import { trap_info } from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { array, bytes, i64, struct, u32, u64 } from '@port-xen/layout';

/** Pages that {@link TestBase.kmAlloc} can give. */
export const POOL_PAGES = 16;
/** Pages mapped at USER_BASE too. */
export const USER_PAGES = 16;
/** Addresses for the grant table: what xengnt asks for. */
const GRANT_PAGES = 64;

export const test_data = struct('test_data', {
  start_info: i64,
  store_page: i64,
  console_page: i64,
  p2m: i64,
  nr_pages: u64,
  pool_used: u32,
  /** VIRQ_TIMER's port. */
  timer_port: u32,
  command_port: u32,
  /** 0: suspends are asked for in another way. */
  suspend_port: u32,
  suspend_wanted: u32,
  /** How many restores the domain has behind it. */
  lives: u32,
  /** Bytes of the message buffer that are in the console ring. */
  shown: u64,
  xen_idt: array(trap_info, 4),
});

/** What the host asks the kernel to do, in a page of its own that the host writes into. */
export const command = struct('test_command', {
  /** Set by the host, cleared by the kernel. */
  asked: u32,
  /** Counts the answers. */
  answered: u32,
  func: i64,
  arg: array(i64, 6),
  result: i64,
});

export const test_pages = struct('test_pages', {
  command: bytes(PAGE_SIZE),
  frame_list_list: bytes(PAGE_SIZE),
  frame_list: bytes(PAGE_SIZE),
  l1: bytes(PAGE_SIZE),
  l2: bytes(PAGE_SIZE),
  l3: bytes(PAGE_SIZE),
  user: bytes(USER_PAGES * PAGE_SIZE),
  pool: bytes(POOL_PAGES * PAGE_SIZE),
  grants: bytes(GRANT_PAGES * PAGE_SIZE),
});
