"""API documents without the internet: one page that renders `/openapi.json` with nothing fetched from outside."""

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>接口文档</title>
<style>
:root{color-scheme:light dark;font:15px/1.6 system-ui,"PingFang SC","Noto Sans CJK SC",sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.2rem;border-bottom:1px solid #8884}
details{border:1px solid #8884;border-radius:8px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
code{font-family:ui-monospace,monospace}
pre{overflow:auto;background:#8881;padding:.8rem;border-radius:6px}
.m{display:inline-block;min-width:3.6rem;font-weight:600}
.r{color:#888;float:right;font-size:.85em}
</style></head><body><main id="main"><p>正在读取接口说明…</p></main>
<script>
const el=(tag,text,cls)=>{const e=document.createElement(tag);
  if(text!=null)e.textContent=text;if(cls)e.className=cls;return e};
fetch("openapi.json").then(r=>r.json()).then(api=>{
  const main=document.getElementById("main");main.replaceChildren(el("h1",api.info.title));
  document.title=api.info.title;
  const groups=new Map();
  for(const [path,item] of Object.entries(api.paths))for(const [method,op] of Object.entries(item)){
    const tag=(op.tags||["其他"])[0];if(!groups.has(tag))groups.set(tag,[]);groups.get(tag).push([method,path,op])}
  const schema=s=>{if(!s)return null;if(s.$ref)return api.components.schemas[s.$ref.split("/").pop()];return s};
  for(const [tag,ops] of groups){main.append(el("h2",tag));
    for(const [method,path,op] of ops){const d=el("details");const s=el("summary");
      s.append(el("span",method.toUpperCase(),"m"),el("code",path),document.createTextNode("　"+(op.summary||"")),
        el("span",(op["x-roles"]||[]).join("，"),"r"));d.append(s);
      if(op.description)d.append(el("p",op.description));
      const body=op.requestBody&&schema(op.requestBody.content["application/json"]?.schema);
      if(body)d.append(el("pre",JSON.stringify(body,null,2)));
      main.append(d)}}
}).catch(e=>{document.getElementById("main").replaceChildren(el("p","读取失败："+e))});
</script></body></html>"""


def add_documents(app: FastAPI) -> None:
    """`/docs`, readable without a token, like `/openapi.json`."""

    async def documents(_: Request) -> Response:
        return HTMLResponse(PAGE)

    app.add_route("/docs", documents)
