// What the page says by itself. Everything of legal weight (title, consent wording) comes from the server instead.

export const STEP_NAMES = {
  identify: ["核实身份", "Identify"],
  read: ["阅读合同", "Read"],
  consent: ["确认意愿", "Consent"],
  face: ["刷脸核验", "Face check"],
  sign: ["签署", "Sign"],
};

export const ROLES = { enterprise: ["企业方", "Enterprise"], bank: ["银行方", "Bank"] };

/** Short, as one would say it aloud: read while moving. Left and right are the person's own. */
export const MOVES = {
  "look-straight": ["正对屏幕，保持不动", "Look straight, hold still"],
  "turn-left": ["慢慢向左转头", "Turn slowly to your left"],
  "turn-right": ["慢慢向右转头", "Turn slowly to your right"],
  "open-mouth": ["张开嘴，再合上", "Open your mouth, then close"],
  nod: ["慢慢点头", "Nod slowly"],
};
export const FACE_PLACE = ["把脸放进椭圆框", "Bring your face into the oval"];
export const FACE_BACK = ["很好，转回正面", "Good. Look straight again"];
export const FACE_SENDING = ["正在核验…", "Checking…"];
export const FACE_AGAIN = ["重新开始", "Try again"];

export const READ_ON = ["继续阅读", "Read on"];
export const READ_DONE = ["我已阅读全文", "I have read it all"];
export const PAGE_FAILED = ["这一页没有加载出来", "This page did not load"];
export const RELOAD = ["重新加载", "Reload"];

export const OFFLINE = ["网络不通，请检查网络后再试一次。", "No connection. Check the network and try again."];
export const SLOW = ["等待时间过长，请再试一次。", "That took too long. Please try again."];
export const UNEXPECTED = ["出了点问题，请再试一次。", "Something went wrong. Please try again."];
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

export const CAMERA_PROBLEMS = {
  refused: [
    "摄像头未获允许。请在浏览器或系统设置里允许使用摄像头，再点“重新开始”；也可选择人工协助。",
    "The camera was not allowed. Allow it in the browser or system settings and try again, or choose officer-assisted.",
  ],
  missing: [
    "没有找到摄像头。请换用有前置摄像头的手机，或选择人工协助。",
    "No camera was found. Use a phone with a front camera, or choose officer-assisted.",
  ],
  busy: [
    "摄像头正被其他应用使用。请关闭其他应用后再试。",
    "Another application is using the camera. Close it and try again.",
  ],
  unsupported: [
    "此浏览器无法使用摄像头。请用手机自带的浏览器打开此链接，或选择人工协助。",
    "This browser cannot use a camera. Open the link in your phone's own browser, or choose officer-assisted.",
  ],
  interrupted: [
    "过程被打断了。请保持本页面在前台，再试一次。",
    "That was interrupted. Keep this page in front and try again.",
  ],
};
