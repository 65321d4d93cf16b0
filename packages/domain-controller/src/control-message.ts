import { control_msg } from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';

/** Where a message's payload is. */
export const MSG = control_msg.offset.msg;
/** The most that a payload may have, bytes. */
export const PAYLOAD_BYTES: number = control_msg.size - MSG;

/** A message without an id, which whoever sends it gives. */
export const controlMessage = (type: number, subtype: number, length: number): BytesMemory => {
  const memory = new BytesMemory(new Uint8Array(control_msg.size));
  const view = control_msg.at(memory, 0);
  view.type = type;
  view.subtype = subtype;
  view.length = length;
  return memory;
};

/** A message with a struct for its payload. */
export const messageOf = <S extends Struct>(
  type: number,
  subtype: number,
  payload: S,
  fill: (view: View<S>) => void,
): Uint8Array => {
  const memory = controlMessage(type, subtype, payload.size);
  fill(payload.at(memory, MSG) as View<S>);
  return memory.bytes;
};
