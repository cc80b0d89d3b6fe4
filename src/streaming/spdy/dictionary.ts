import { Buffer } from "node:buffer";

/** Each with its length in front. */
const WORDS =
  "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language" +
  ",accept-ranges,age,allow,authorization,cache-control,connection,content-base,content-enc" +
  "oding,content-language,content-length,content-location,content-md5,content-range,content" +
  "-type,date,etag,expect,expires,from,host,if-match,if-modified-since,if-none-match,if-ran" +
  "ge,if-unmodified-since,last-modified,location,max-forwards,pragma,proxy-authenticate,pro" +
  "xy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,u" +
  "ser-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,ur" +
  "l,public,set-cookie,keep-alive,origin";

const TEXT =
  "1001012012022052063003023033043053063074024054064074084094104114124134144154164175025045" +
  "05203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401" +
  " Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 S" +
  "ervice UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, We" +
  "d, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xm" +
  "l,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdc" +
  "hcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** What the peers of SPDY/3 take as already sent before the first header (section 2.6.10.1). */
export const DICTIONARY: Buffer = Buffer.concat([
  ...WORDS.split(",").flatMap((word) => [uint32(word.length), Buffer.from(word)]),
  Buffer.from(TEXT),
]);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
