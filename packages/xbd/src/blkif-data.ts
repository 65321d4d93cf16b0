/*
 * The block interface of a domain whose control path is the controller interface (xbd.c of Xen 2): one ring and one channel for all
 * disks.
 *
 *     if_state   CLOSED ─(DISCONNECTED: INTERFACE_CONNECT is sent)─► DISCONNECTED ─(CONNECTED: probe)─► CONNECTED
 *                any ─(DISCONNECTED)─► DISCONNECTED, and what was unanswered is issued again
 */
import { control_msg } from '@port-xen/abi';
import { array, i32, i64, nest, struct, u32, type View } from '@port-xen/layout';
import { NXBD, XBD_REQUESTS, xbd_softc } from './xbd-data.ts';

/** DRIVER_STATUS is to be sent: the controller does not know of us. */
export const WANT_UP = 1;
/** INTERFACE_CONNECT is to be sent. */
export const WANT_CONNECT = 2;
/** The back end is to be asked what disks there are. */
export const WANT_SCAN = 4;

/** The answer to a probe is waited for. */
export const PROBE_OUT = 1;
export const PROBE_ANSWERED = 2;
/** A probe's id: a disk's requests have unit × XBD_REQUESTS + place. */
export const PROBE_ID: number = NXBD * XBD_REQUESTS;

export const blkif_softc = struct('blkif_softc', {
  /** BLKIF_INTERFACE_STATUS_CLOSED, DISCONNECTED or CONNECTED. */
  if_state: u32,
  /** The channel; 0: there is none. */
  if_evtchn: u32,
  if_dev: i64,
  /** Kernel address of the ring page. */
  if_ring_page: i64,
  /** Kernel address of the page for a probe's answer. */
  if_probe_page: i64,
  /** Requests made, published or not. */
  if_req_prod: u32,
  /** Responses taken. */
  if_resp_cons: u32,
  /** What the interface's lwp is to do: WANT_UP, WANT_CONNECT, WANT_SCAN. */
  if_wanted: u32,
  /** The domain is being saved: nothing is begun. */
  if_suspended: u32,
  /** 0, PROBE_OUT or PROBE_ANSWERED. */
  if_probe: u32,
  /** A probe's answer. */
  if_probed: i32,
  /** Boot waits for the disks. */
  if_pending: u32,
  /** The disk that gets the next free slot. */
  if_next: u32,
  /** What is sent, and what came back. */
  if_msg: nest(control_msg),
  if_rsp: nest(control_msg),
});

export type BlkifSoftc = View<typeof blkif_softc>;

/** Disks first, where xbd_data has them. */
export const xbd_blkif_data = struct('xbd_blkif_data', {
  softcs: array(xbd_softc, NXBD),
  blkif: nest(blkif_softc),
});
