import { control_msg } from '@port-xen/abi';
import { BytesMemory, type Struct, type View } from '@port-xen/layout';

const MSG = control_msg.offset.msg;

/**
 * Sends a back end of Xen 2's a message as the domain controller does.
 * @param fields of the payload, or a function that fills it in
 * @returns the status in its answer; undefined for an answer of length 0
 */
export const ask = <S extends Struct>(
  back: { receive(message: Uint8Array): void },
  type: number,
  subtype: number,
  payload: S,
  fields: object | ((said: View<S>) => void),
): number | undefined => {
  const memory = new BytesMemory(new Uint8Array(control_msg.size));
  const view = control_msg.at(memory, 0);
  view.type = type;
  view.subtype = subtype;
  view.length = payload.size;
  const said = payload.at(memory, MSG) as View<S>;
  if (typeof fields === 'function') fields(said);
  else Object.assign(said, fields);
  back.receive(memory.bytes);
  return view.length === 0 ? undefined : memory.ld32(MSG + (payload.offset.status as number));
};
