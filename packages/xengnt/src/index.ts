export {
  FIRST_REF,
  XENGNT_NO_ENTRY,
  XENGNT_NO_FRAME,
  Xengnt,
  type XengntKern,
  type XengntPmap,
  xengnt_data,
} from './xengnt.ts';
