export {
  FIRST_REF,
  XENGNT_NO_ENTRY,
  Xengnt,
  type XengntKern,
  type XengntPmap,
  xengnt_data,
} from './xengnt.ts';
