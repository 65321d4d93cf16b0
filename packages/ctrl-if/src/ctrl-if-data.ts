/*
 * What the control interface keeps. The rings are in shared_info's page; all of this is the guest's own.
 */
import { CONTROL_RING_SIZE, control_msg } from '@port-xen/abi';
import { callout } from '@port-xen/kern';
import { array, i64, nest, struct, u8, u32 } from '@port-xen/layout';

/** Requests that the guest has taken and not forgotten: those of this ring, and those of rings that are gone. */
export const NRXMSG: number = 2 * CONTROL_RING_SIZE;
/** Types of messages. */
export const NTYPE = 256;
/** Who can ask to be told of room. */
export const NSPACE = 4;

/** A request of the guest's that waits for its response: what the message's id stands for. */
export const txmsg = struct('ctrl_if_txmsg', {
  /** The id may be on its way. */
  tm_used: u32,
  tm_type: u8,
  tm_subtype: u8,
  /** Leaf(argument, message, errno); 0 when the owner has been told. */
  tm_func: i64,
  tm_arg: i64,
  tm_timeout: nest(callout),
});

export const RXMSG_FREE = 0;
/** Waits for the control interface's lwp. */
export const RXMSG_DEFERRED = 1;
/** Its handler has it, and will answer. */
export const RXMSG_HANDLED = 2;
/** It has been answered for its handler, who has it still. */
export const RXMSG_SETTLED = 3;

/** A request of the controller's, from when it was taken off the ring to when it is answered. */
export const rxmsg = struct('ctrl_if_rxmsg', {
  rm_state: u32,
  rm_msg: nest(control_msg),
});

export const ctrl_if_data = struct('ctrl_if_data', {
  /** The channel to the controller; 0: none. */
  ctrl_if_evtchn: u32,
  /** Set while there is no channel to send through. */
  ctrl_if_suspended: u32,
  ctrl_if_tx_resp_cons: u32,
  ctrl_if_rx_req_cons: u32,
  /** Somebody was refused because the ring was full, or there was no channel. */
  ctrl_if_tx_wanted: u32,
  /** A suspend waits for messages to be answered. */
  ctrl_if_draining: u32,
  /** A request is left in the ring because there is no place for it. */
  ctrl_if_rx_backlog: u32,
  /** Responses that answered nothing, requests that were refused. */
  ctrl_if_unsolicited: u32,
  ctrl_if_refused: u32,
  /** Leaves() that are told of room in the ring. */
  ctrl_if_space: array(i64, NSPACE),
  ctrl_if_txmsg_id_mapping: array(txmsg, CONTROL_RING_SIZE),
  ctrl_if_rxmsg: array(rxmsg, NRXMSG),
  /** Places of the requests that wait for the lwp, a ring of its own. */
  ctrl_if_rxmsg_deferred: array(u8, NRXMSG),
  ctrl_if_rxmsg_deferred_prod: u32,
  ctrl_if_rxmsg_deferred_cons: u32,
  /** By type: leaf(message), or text(message) for the lwp. */
  ctrl_if_rxmsg_handler: array(i64, NTYPE),
  ctrl_if_rxmsg_blocking_context: array(u8, NTYPE),
  /** A response, while its owner is told. */
  ctrl_if_response: nest(control_msg),
});
