"""Rules about code: what may include what, and what libraries must not do."""

import re

from tree import LIBRARIES

# Which folders a folder may include, itself included. The longest prefix decides.
MAY_INCLUDE = {
    "kernels": ["kernels"],
    "weights/base": ["weights/base"],
    "weights": ["weights"],
    "tokenizer": ["tokenizer", "weights/base"],
    "engine/core": ["engine/core", "kernels", "weights/base"],
    "engine/backends": ["engine/backends", "engine/core", "kernels", "weights/base"],
    "engine/ops": ["engine/ops", "engine/backends", "engine/core", "kernels", "weights/base"],
    "engine/models": ["engine/models", "engine/ops", "engine/backends", "engine/core", "kernels", "weights"],
    "engine/generate": ["engine/generate", "engine/models", "engine/ops", "engine/core", "weights"],
    "engine/compress": ["engine/compress", "engine/models", "engine/ops", "engine/core", "kernels",
                        "weights"],
    "engine/train": ["engine/train", "engine/generate", "engine/models", "engine/ops",
                     "engine/core", "weights"],
    "engine/tasks": ["engine", "weights", "tokenizer", "kernels"],
    "engine/capi": ["engine", "weights", "tokenizer"],
    "tools": ["tools", "engine", "weights", "tokenizer", "kernels"],
    "bench": ["bench", "tools/bench", "engine", "weights", "tokenizer", "kernels", "tests/support"],
    "tests": ["tests", "tools", "engine", "weights", "tokenizer", "kernels", "bench"],
}

# Headers that only these files may include.
ONLY_IN = [
    (r"(imm|x86|[xptnsaw]mm)intrin\.h",
     r"kernels/[a-z0-9_]+/.*|kernels/isa\.cpp|engine/.*\.cpp|tests/.*|(tools/)?bench/.*\.cpp"),
    (r"emmintrin\.h", r"tokenizer/.*\.cpp|engine/.*\.cpp|tests/.*"),  # SSE2: every x86-64 has it
    (r"cpuid\.h", r"kernels/isa\.cpp|tests/.*"),
    (r"omp\.h", r"engine/core/parallel\w*\.cpp|bench/.*\.cpp"),
    (r"(oneapi/)?dnnl.*\.h(pp)?", r"engine/backends/onednn/.*|bench/.*\.cpp"),
    (r"nlohmann/.*", r"weights/base/.*\.cpp|tests/.*|tools/.*\.cpp"),
    (r"simdjson.*", r"tests/.*"),
    (r"utf8proc\.h", r"tokenizer/.*\.cpp|tests/.*"),
    (r"(CLI|fmt)/.*", r"tools/.*"),
    (r"xxhash\.h", r"(weights|engine/train|tools)/.*\.cpp"),
    (r"(gtest|gmock|rapidcheck)[/.].*", r"tests/.*"),
    (r"benchmark/.*", r"bench/.*"),
    (r"pthread\.h|thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch|stop_token",
     r"engine/core/.*|engine/tasks/.*|engine/backends/onednn/.*|tools/.*|tests/.*|bench/.*"),
    (r"cassert|assert\.h", r"engine/core/assert\.h|weights/base/assert\.h"),
    (r"iostream|regex", r"tools/.*|tests/.*|bench/.*"),
]

# The standard headers that public headers of the libraries may include.
STANDARD = set("""algorithm any array cassert atomic bit bitset charconv chrono compare complex concepts
cstddef cstdint cstdlib cstring deque exception filesystem functional initializer_list iterator
limits list map memory memory_resource new numeric optional ostream iosfwd ratio set span stdexcept
string string_view system_error tuple type_traits typeindex typeinfo unordered_map unordered_set
utility variant vector cmath condition_variable mutex thread""".split())

# In the folders of the instruction-set levels: every inline function of a header would be compiled
# with that level's flags, and the linker may pick it for the others.
LEVEL_HEADERS = {"immintrin.h", "cstdint", "cstddef"}

FORBIDDEN_CALLS = [
    (r"(?<![\w:])(std::)?f?printf\s*\(|(?<!\w)puts\s*\(|std::(cout|cerr|clog)\b", "libraries do not print"),
    (r"(?<![\w.>:])(std::)?(exit|_exit|quick_exit|abort|terminate)\s*\(", "libraries do not end the process"),
    (r"\busing\s+namespace\b", "no using namespace"),
    (r"\bshared_ptr\b", "ownership is visible in the type: no shared_ptr"),
    (r"(?<![\w])new\s+[\w:<]", "no naked new"),
    (r"\bstd::(reduce|transform_reduce)\b", "sums have a fixed order"),
    (r"(?<![\w:])(std::)?s?rand\s*\(", "random numbers are counter-based"),
    (r"#\s*pragma\s+(GCC\s+optimize|omp\b.*\b(reduction|simd)\b|STDC\s+FP_CONTRACT)", "changes the arithmetic"),
]


def _includes(f):
    for number, line in f.code_lines():
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def _under(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def arrows(files):
    """A folder includes only what lies below it."""
    for f in files:
        if not f.is_code:
            continue
        owners = [folder for folder in MAY_INCLUDE if f.path.startswith(folder + "/")]
        if not owners:
            yield f.path, 1, "no folder of the design"
            continue
        allowed = MAY_INCLUDE[max(owners, key=len)]
        for number, kind, name in _includes(f):
            if kind == '"' and not _under(name, allowed):
                yield f.path, number, f'"{name}" is not below: {", ".join(allowed)}'


def headers_of_others(files):
    """Third-party, intrinsic and thread headers stay in the files that need them."""
    for f in files:
        if not f.is_code:
            continue
        for number, kind, name in _includes(f):
            for header, owners in ONLY_IN:
                if kind == "<" and re.fullmatch(header, name) and not re.fullmatch(owners, f.path):
                    yield f.path, number, f"<{name}> belongs in {owners}"


# Folders whose headers are not installed: instruction-set levels and plug-ins.
PRIVATE = re.compile(r"(kernels|engine/backends)/\w+/")


def public_headers(files):
    """Headers of the libraries include standard headers only, and are included once."""
    for f in files:
        if f.suffix == ".h" and "#pragma once" not in f.lines:
            yield f.path, 1, "no #pragma once"
        if f.suffix != ".h" or f.room not in LIBRARIES or PRIVATE.match(f.path):
            continue
        for number, kind, name in _includes(f):
            if kind == "<" and name not in STANDARD:
                yield f.path, number, f"<{name}> in a public header"


# A level's folder may include the headers of the weaker level it is laid over.
LEVEL_BASES = {
    "kernels/amx": "kernels/avx512",
    "kernels/avx512_bf16": "kernels/avx512",
    "kernels/avx512_vnni": "kernels/avx512",
    "kernels/avx_vnni": "kernels/avx2",
}


def levels(files):
    """Folders of instruction-set levels include no inline code but their own and their base's."""
    by_path = {f.path: f for f in files}

    def plain(path):
        """A header of kernels/ from which no inline function of the standard library is reached."""
        if path.count("/") != 1 or path not in by_path:
            return False
        return all(plain(name) if kind == '"' else name in LEVEL_HEADERS
                   for _, kind, name in _includes(by_path[path]))

    for f in files:
        match = re.match(r"(kernels/(reference|avx|amx)\w*)/", f.path)
        if not match or not f.is_code:
            continue
        for number, kind, name in _includes(f):
            folders = [match.group(1), LEVEL_BASES.get(match.group(1), match.group(1))]
            own = any(name.startswith(folder + "/") for folder in folders) or plain(name)
            if not (own if kind == '"' else name in LEVEL_HEADERS):
                yield f.path, number, f"{name} in the folder of a level"


def libraries(files):
    """Libraries do not print, end the process, hide ownership or reorder sums."""
    for f in files:
        if not f.is_code or f.room not in LIBRARIES:
            continue
        for number, line in f.code_lines():
            for pattern, what in FORBIDDEN_CALLS:
                if re.search(pattern, line):
                    yield f.path, number, f"{what}: {line.strip()}"


def flags(files):
    """Nothing changes the arithmetic or ties the program to the machine that builds it."""
    names = re.compile("|".join(["-m(arch|tune|cpu)=native", "-f" + "fast-math", "-O" + "fast",
                                 "-funsafe-math", "-fassociative-math", "-ffp-contract=(fast|on)"]))
    for f in files:
        if f.is_build or f.suffix == ".sh" or (f.is_code and "#pragma" in f.text):
            for number, line in enumerate(f.lines, 1):
                if names.search(line) and not line.lstrip().startswith("#") and "//" not in line:
                    yield f.path, number, "forbidden flag: " + line.strip()


def conditionals(files):
    """The preprocessor chooses nothing but what a compiler or a library can do."""
    allowed = ["kernels/isa.cpp", "engine/backends/onednn/dnnl_shim.h"]
    for f in files:
        if not f.is_code or f.room not in LIBRARIES or f.path in allowed:
            continue
        for number, line in f.code_lines():
            if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
                yield f.path, number, line.strip()


def skips(files):
    """A skipped test states why."""
    for f in files:
        for number, line in f.code_lines() if f.is_code else []:
            if re.search(r"GTEST_SKIP\s*\(\s*\)\s*;", line):
                yield f.path, number, "GTEST_SKIP() without a reason"


RULES = [arrows, headers_of_others, public_headers, levels, libraries, flags, conditionals,
         skips]
