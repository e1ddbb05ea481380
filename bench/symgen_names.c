
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Names as a large program in C++ and Rust has them: made of few words, many
 * of one class together, some with templates in templates.
 */


#include <math.h>
#include <stddef.h>

#include "symgen.h"


#define COUNT(a)   (sizeof(a) / sizeof(a[0]))
#define ANY(a)     a[below(COUNT(a))]
#define WORD       words[often(COUNT(words) * 7) / 7 * 89 % COUNT(words)]

#define CLASSES    16000
#define METHODS    12000


static const char *const  words[] = {
    "Accessible", "Actor", "Address", "Agent", "Align", "Alpha", "Anchor",
    "Animation", "App", "Array", "Async", "Atom", "Attribute", "Audio",
    "Auto", "Background", "Base", "Binding", "Blob", "Block", "Border",
    "Box", "Broadcast", "Browser", "Buffer", "Builder", "Cache", "Canvas",
    "Capture", "Cell", "Channel", "Child", "Chrome", "Class", "Client",
    "Clip", "Code", "Collector", "Color", "Column", "Command", "Compile",
    "Component", "Compositor", "Connection", "Constraint", "Container",
    "Content", "Context", "Control", "Cookie", "Counter", "Crypto", "Cursor",
    "Data", "Database", "Debug", "Decoder", "Default", "Descriptor",
    "Device", "Dictionary", "Display", "Document", "Domain", "Drag", "Draw",
    "Editor", "Effect", "Element", "Encoder", "Engine", "Entry", "Error",
    "Event", "Extension", "Factory", "Feature", "Fetch", "File", "Filter",
    "Flex", "Focus", "Font", "Form", "Frame", "Frontend", "Function",
    "Gamepad", "Geometry", "Glyph", "Graph", "Grid", "Group", "Handle",
    "Handler", "Hash", "Header", "Heap", "Helper", "History", "Host",
    "Http", "Image", "Index", "Info", "Inline", "Input", "Inspector",
    "Instance", "Internal", "Interval", "Item", "Iterator", "Job", "Key",
    "Keyframe", "Label", "Language", "Layer", "Layout", "Line", "Link",
    "List", "Listener", "Loader", "Local", "Location", "Lock", "Log",
    "Manager", "Map", "Mask", "Matrix", "Media", "Memory", "Menu", "Message",
    "Method", "Mime", "Module", "Monitor", "Mouse", "Multi", "Mutation",
    "Name", "Native", "Navigator", "Network", "Node", "Notification",
    "Object", "Observer", "Offset", "Operation", "Option", "Origin", "Outer",
    "Output", "Overlay", "Packet", "Page", "Paint", "Panel", "Parent",
    "Parser", "Path", "Payment", "Performance", "Permission", "Pipeline",
    "Platform", "Playback", "Plugin", "Pointer", "Policy", "Pool", "Popup",
    "Port", "Position", "Prefs", "Presentation", "Principal", "Print",
    "Process", "Profile", "Promise", "Property", "Protocol", "Provider",
    "Proxy", "Queue", "Quota", "Range", "Reader", "Record", "Region",
    "Registry", "Remote", "Render", "Report", "Request", "Resource",
    "Response", "Result", "Root", "Row", "Rule", "Runnable", "Sample",
    "Scope", "Screen", "Script", "Scroll", "Search", "Security", "Selection",
    "Selector", "Sender", "Sensor", "Server", "Service", "Session",
    "Settings", "Shader", "Shadow", "Shape", "Shared", "Sheet", "Size",
    "Slot", "Snapshot", "Socket", "Source", "Speech", "Stack", "State",
    "Static", "Status", "Storage", "Stream", "String", "Style", "Surface",
    "Symbol", "Sync", "System", "Table", "Target", "Task", "Text", "Texture",
    "Theme", "Thread", "Timeline", "Timer", "Token", "Touch", "Trace",
    "Track", "Transaction", "Transfer", "Transform", "Tree", "Type",
    "Update", "Upload", "User", "Utils", "Validator", "Value", "Variable",
    "Vector", "Video", "View", "Visitor", "Wasm", "Widget", "Window",
    "Worker", "Wrapper", "Writer", "Zone"
};

static const char *const  verbs[] = {
    "Add", "Append", "Apply", "Begin", "Bind", "Build", "Cancel", "Check",
    "Clear", "Clone", "Close", "Collect", "Compare", "Compute", "Connect",
    "Convert", "Copy", "Create", "Destroy", "Dispatch", "Do", "Emit",
    "Ensure", "Enter", "Enumerate", "Finish", "Flush", "For", "From", "Get",
    "Handle", "Has", "Init", "Insert", "Invalidate", "Is", "Leave", "Load",
    "Lookup", "Make", "Mark", "Match", "Maybe", "Move", "Needs", "New",
    "Notify", "On", "Open", "Parse", "Post", "Prepare", "Push", "Put",
    "Queue", "Read", "Recv", "Reflow", "Register", "Release", "Remove",
    "Replace", "Report", "Request", "Reset", "Resolve", "Restore", "Run",
    "Schedule", "Send", "Set", "Should", "Show", "Start", "Stop", "Store",
    "Submit", "Take", "Trace", "Try", "Unbind", "Unlink", "Update",
    "Validate", "Visit", "Wait", "Write"
};

static const char *const  spaces[] = {
    "mozilla::dom::", "mozilla::dom::", "mozilla::dom::", "mozilla::",
    "mozilla::", "mozilla::", "", "", "ns", "ns", "js::", "js::", "js::jit::",
    "js::jit::", "js::wasm::", "js::frontend::", "JS::", "mozilla::gfx::",
    "mozilla::layers::", "mozilla::net::", "mozilla::net::", "mozilla::ipc::",
    "mozilla::a11y::", "mozilla::css::", "mozilla::image::",
    "mozilla::widget::", "mozilla::webgl::", "mozilla::media::",
    "mozilla::dom::quota::", "mozilla::dom::indexedDB::",
    "mozilla::dom::cache::", "mozilla::psm::", "mozilla::storage::",
    "mozilla::places::", "mozilla::extensions::", "mozilla::wr::", "webrtc::",
    "webrtc::", "icu_73::", "SkSL::", "Sk", "Sk", "angle::", "sh::", "rx::",
    "google::protobuf::", "safe_browsing::", "xpc::", "mozilla::detail::",
    "(anonymous namespace)::"
};

static const char *const  crates[] = {
    "core::iter::adapters::", "core::slice::", "core::option::", "core::str::",
    "alloc::vec::", "alloc::collections::btree::map::", "alloc::sync::",
    "std::sys::unix::", "hashbrown::raw::", "style::values::specified::",
    "style::values::computed::", "style::values::generics::",
    "style::properties::longhands::", "style::stylesheets::", "style::gecko::",
    "selectors::parser::", "selectors::matching::", "cssparser::parser::",
    "webrender::", "webrender::scene_building::", "webrender_api::",
    "wgpu_core::device::", "wgpu_hal::vulkan::", "naga::front::wgsl::",
    "naga::valid::", "glean_core::metrics::", "neqo_transport::",
    "neqo_http3::", "audioipc2::", "cubeb_pulse::backend::", "rkv::backend::",
    "webext_storage::", "serde_json::de::", "bincode::de::", "smallvec::",
    "tokio::runtime::", "hyper::proto::h1::", "url::", "encoding_rs::",
    "mp4parse::", "qcms::", "l10nregistry::", "fluent_bundle::resolver::"
};

static const char *const  simple[] = {
    "void*", "bool", "int", "unsigned int", "unsigned long", "long", "double",
    "float", "unsigned char", "char16_t", "nsresult", "unsigned short",
    "nsTSubstring<char16_t> const&", "nsTSubstring<char> const&",
    "JSContext*", "JS::Handle<JS::Value>", "JS::Handle<JSObject*>",
    "JS::MutableHandle<JS::Value>", "mozilla::ErrorResult&", "nsAtom*",
    "nsIFrame*", "nsINode*", "char const*", "nsTString<char16_t>&", "nsID"
};

static const char *const  rusts[] = {
    "u8", "u32", "usize", "f32", "bool", "str", "alloc::string::String", "()",
    "core::fmt::Formatter", "std::ffi::os_str::OsString", "i32", "[u8]"
};

static const char *const  holders[] = {
    "RefPtr<", "nsTArray<", "mozilla::UniquePtr<", "mozilla::Maybe<",
    "nsCOMPtr<", "std::unique_ptr<", "mozilla::NotNull<", "js::GCPtr<",
    "JS::Rooted<", "mozilla::Span<", "std::function<", "mozilla::WeakPtr<"
};

static const char *const  rust_holders[] = {
    "alloc::vec::Vec<", "core::option::Option<", "alloc::boxed::Box<",
    "alloc::sync::Arc<", "core::cell::RefCell<", "smallvec::SmallVec<",
    "servo_arc::Arc<", "core::mem::manually_drop::ManuallyDrop<"
};

static const char *const  traits[] = {
    "core::fmt::Debug>::fmt", "core::clone::Clone>::clone",
    "core::ops::drop::Drop>::drop", "core::iter::traits::iterator::Iterator"
    ">::next", "style_traits::values::ToCss>::to_css",
    "style::values::computed::ToComputedValue>::to_computed_value",
    "serde::de::Deserialize>::deserialize", "core::cmp::PartialEq>::eq",
    "malloc_size_of::MallocSizeOf>::size_of", "core::hash::Hash>::hash"
};

static const char *const  folders[] = {
    "dom/base", "dom/bindings", "dom/canvas", "dom/media", "dom/html",
    "dom/indexedDB", "dom/ipc", "dom/workers", "editor/libeditor",
    "gfx/layers", "gfx/2d", "gfx/skia/skia/src/core", "gfx/wr/webrender/src",
    "image", "ipc/glue", "js/src/jit", "js/src/vm", "js/src/wasm",
    "js/src/gc", "layout/base", "layout/generic", "layout/style",
    "layout/painting", "media/libvpx/libvpx/vp9", "mfbt", "netwerk/base",
    "netwerk/protocol/http", "parser/html", "servo/components/style/values",
    "servo/components/style", "storage", "third_party/libwebrtc/modules",
    "third_party/rust/naga/src", "third_party/rust/wgpu-core/src",
    "toolkit/components/places", "toolkit/xre", "uriloader/base",
    "widget/gtk", "xpcom/base", "xpcom/ds", "xpcom/threads", "xpcom/string"
};


static uint64_t  state;
static uint32_t  last;
static double    growth;


static uint32_t
below(uint32_t n)
{
    uint64_t  z;

    state += 0x9e3779b97f4a7c15;

    z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return (uint32_t) ((((z ^ (z >> 31)) >> 32) * n) >> 32);
}


static int
chance(double p)
{
    return below(1u << 30) < p * (1u << 30);
}


/* the first ones are met most */

static uint32_t
often(uint32_t n)
{
    double  u;

    u = below(1u << 30) / (double) (1u << 30);

    return (uint32_t) (u * u * u * n);
}


/* the n-th class is always the same one */

static void
class(uint32_t n)
{
    uint64_t  keep;

    keep = state;
    state = gen_hash(n + 0x20000000);
    state |= (uint64_t) gen_hash(n + 0x30000000) << 32;

    gen_text(ANY(spaces));
    gen_text(WORD);

    if (chance(0.85)) {
        gen_text(WORD);
    }

    if (chance(0.35)) {
        gen_text(WORD);
    }

    state = keep;
}


static void
method(uint32_t n)
{
    uint64_t  keep;

    last = n;
    keep = state;
    state = gen_hash(n + 0x40000000);

    gen_text(ANY(verbs));

    if (chance(0.92)) {
        gen_text(WORD);
    }

    if (chance(0.55)) {
        gen_text(WORD);
    }

    if (chance(0.12)) {
        gen_text("Internal");
    }

    state = keep;
}


static void
snake(void)
{
    const char  *p;

    for (p = ANY(verbs); *p; p++) {
        gen_byte((char) (*p | 0x20));
    }

    if (chance(0.8)) {
        gen_byte('_');

        for (p = WORD; *p; p++) {
            gen_byte((char) (*p | 0x20));
        }
    }
}


static void
type(uint32_t near, uint32_t level)
{
    uint32_t  n;

    if (level < 6 && chance(growth)) {
        gen_text(ANY(holders));
        type(near, level + 1);

        for (n = below(3); n && chance(growth); n--) {
            gen_text(", ");
            type(near, level + 1);
        }

        gen_byte('>');
        gen_text(chance(0.5) ? "&" : chance(0.3) ? "&&" : "");

    } else if (chance(0.6)) {
        gen_text(ANY(simple));

    } else {
        class(chance(0.5) ? near : often(CLASSES));
        gen_text(chance(0.5) ? "*" : chance(0.6) ? " const&" : "");
    }
}


static void
rust_type(uint32_t near, uint32_t level)
{
    if (level < 6 && chance(growth + 0.1)) {
        gen_text(ANY(rust_holders));
        rust_type(near, level + 1);

        if (chance(growth)) {
            gen_byte(',');
            rust_type(near, level + 1);
        }

        gen_byte('>');

    } else if (chance(0.3)) {
        gen_text(ANY(rusts));

    } else {
        gen_text(crates[near % COUNT(crates)]);
        gen_text(words[near / COUNT(crates) % COUNT(words)]);
        gen_text(WORD);
    }
}


/* those of a method are alike in most classes */

static void
arguments(uint32_t near)
{
    uint32_t  n;
    uint64_t  keep;

    keep = state;
    n = chance(0.8) ? last : below(1u << 30);

    state = gen_hash(n + 0x60000000);
    state ^= near % 4;

    gen_byte('(');

    for (n = below(4); n; n--) {
        type(near, 0);

        if (n > 1) {
            gen_text(", ");
        }
    }

    gen_byte(')');

    if (chance(0.15)) {
        gen_text(" const");
    }

    state = keep;
    (void) below(1);
}


static void
rust_name(uint32_t near)
{
    switch (below(5)) {

    case 0:
        gen_text("core::ptr::drop_in_place<");
        rust_type(near, 0);
        gen_byte('>');
        return;

    case 1:
        gen_byte('<');
        rust_type(near, 0);
        gen_text(" as ");
        gen_text(ANY(traits));
        return;

    case 2:
        gen_text(crates[near % COUNT(crates)]);
        gen_text(words[near / COUNT(crates) % COUNT(words)]);
        gen_text(WORD);
        gen_byte('<');
        rust_type(near, 0);
        gen_text(">::");
        snake();
        return;

    default:
        gen_text(crates[near % COUNT(crates)]);
        snake();
        gen_text("::");
        snake();
        gen_text(chance(0.35) ? "::{{closure}}" : "");
    }
}


static void
template_name(uint32_t near)
{
    switch (below(6)) {

    case 0:
        gen_text("mozilla::MozPromise<");
        type(near, 0);
        gen_text(", nsresult, true>::ThenValue<");
        class(near);
        gen_text("::");
        method(often(METHODS));
        arguments(near);
        gen_text("::$_0>::DoResolveOrRejectInternal(mozilla::MozPromise<");
        type(near, 0);
        gen_text(", nsresult, true>::ResolveOrRejectValue&)");
        return;

    case 1:
        gen_text("mozilla::detail::RunnableMethodImpl<RefPtr<");
        class(near);
        gen_text(">, void (");
        class(near);
        gen_text("::*)");
        arguments(near);
        gen_text(", true, (mozilla::RunnableKind)0, ");
        type(near, 0);
        gen_text(">::Run()");
        return;

    case 2:
        gen_text("std::_Hashtable<");
        type(near, 1);
        gen_text(", std::pair<");
        type(near, 1);
        gen_text(" const, ");
        type(near, 1);
        gen_text(" >, std::allocator<");
        class(near);
        gen_text("> >::_M_");
        snake();
        arguments(near);
        return;

    case 3:
        gen_text("nsTArray_Impl<");
        type(near, 0);
        gen_text(", nsTArrayInfallibleAllocator>::");
        method(often(METHODS));
        arguments(near);
        return;

    default:
        gen_text(ANY(holders));
        type(near, 0);
        gen_text(">::");
        gen_text(chance(0.3) ? "operator=" : "");
        method(often(METHODS));
        arguments(near);
    }
}


void
gen_names(double size)
{
    growth = size;
}


void
gen_name(uint32_t kind, uint32_t n)
{
    uint32_t  near;

    /* what is defined together is of one class */

    state = (uint64_t) gen_hash(n + (kind << 29)) << 32 | n;
    near = gen_hash((n / 24) ^ (kind << 28)) % CLASSES;

    if (chance(0.15)) {
        near = often(CLASSES);
    }

    if (kind == GEN_PUBLIC) {
        if (n < 4) {
            gen_text("<.text ELF section in libxul.so>");
            return;
        }

        if (chance(0.3)) {
            snake();
            gen_byte('_');
            snake();
            gen_byte('_');
            gen_decimal(below(99), 'x');
            return;
        }
    }

    if (near % 10 < 3) {
        rust_name(near);
        return;
    }

    if (chance(0.22)) {
        template_name(near);
        return;
    }

    if (kind == GEN_FUNCTION && chance(0.01)) {
        gen_text("<name omitted>");
        return;
    }

    class(near);
    gen_text("::");

    if (chance(0.06)) {
        gen_byte('~');
    }

    method(often(METHODS));
    arguments(near);

    if (chance(0.1)) {
        gen_text("::$_0::operator()");
        arguments(near);
        gen_text(" const");
    }
}


void
gen_file(uint32_t n)
{
    uint32_t  i;

    state = (uint64_t) gen_hash(n + 0x50000000) << 32 | n;

    switch (below(20)) {

    case 0:
        gen_text("s3:gecko-generated-sources:");

        for (i = 0; i < 16; i++) {
            gen_printf("%08x", below(0xffffffff));
        }

        gen_printf("/ipc/ipdl/P%s%s%u.cpp:", WORD, WORD, n);
        return;

    case 1:
    case 2:
        gen_text("git:github.com/rust-lang/rust:library/");
        gen_text(chance(0.6) ? "core/src/" : "alloc/src/");
        snake();
        gen_byte('/');
        snake();
        gen_printf("%u", n);
        gen_text(".rs:eb26296b556cef10fb713a38f3d16b9886080f26");
        return;

    case 3:
        gen_text("/builds/worker/fetches/sysroot-x86_64-linux-gnu/usr/lib/gcc/"
                 "x86_64-linux-gnu/8/../../../../include/c++/8/bits/");
        snake();
        gen_printf("%u.h", n);
        return;

    default:
        gen_text("hg:hg.mozilla.org/releases/mozilla-release:");
        gen_text(ANY(folders));
        gen_byte('/');
        gen_text(WORD);
        gen_text(WORD);
        gen_printf("%u", n);
        gen_text(chance(0.3) ? ".h" : chance(0.2) ? ".rs" : ".cpp");
        gen_text(":1e5ba7e3c8a2f6e1b9d0c47a");
    }
}
