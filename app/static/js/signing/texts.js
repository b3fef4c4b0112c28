// What the page says by itself. Everything of legal weight (title, consent wording) comes from the server instead.

export const STEP_NAMES = {
  identify: ["核实身份", "Identify"],
  read: ["阅读合同", "Read"],
  consent: ["确认意愿", "Consent"],
  face: ["刷脸核验", "Face check"],
  sign: ["签署", "Sign"],
};

export const ROLES = { enterprise: ["企业方", "Enterprise"], bank: ["银行方", "Bank"] };

export const READ_ON = ["继续阅读", "Read on"];
export const READ_DONE = ["我已阅读全文", "I have read it all"];
export const PAGE_FAILED = ["这一页没有加载出来", "This page did not load"];
export const RELOAD = ["重新加载", "Reload"];

export const UNSUITABLE_BROWSER = [
  "这个浏览器不能安全地生成密钥。请用手机自带的浏览器打开此链接。",
  "This browser cannot make a key safely. Please open the link in your phone's own browser.",
];
export const DOCUMENT_DIFFERS = [
  "下载到的合同与约定的指纹不一致，已停止。请联系银行。",
  "The contract received does not match its fingerprint. Stopped: please contact the bank.",
];
export const MALFORMED_ATTRIBUTES = [
  "服务器要求签署的内容格式不对，已停止。请联系银行。",
  "What the server asked to be signed has the wrong form. Stopped: please contact the bank.",
];
