# Third-party libraries that the libraries are linked with: LibTorch from the virtual environment that tools/setup makes, the
# rest from the system. Installed too: usamConfig.cmake finds the same for those who link with usam.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(SPDLOG REQUIRED IMPORTED_TARGET spdlog)

set(USAM_VENV ${CMAKE_SOURCE_DIR}/.venv CACHE PATH "Virtual environment that holds torch")
set(USAM_TORCH "" CACHE PATH "Folder of the torch package, instead of the one in USAM_VENV")
set(USAM_CUDA_INCLUDES "" CACHE STRING "Folders with the headers of CUDA and NCCL (with USAM_CUDA)")
set(torch_folder ${USAM_TORCH})
if(NOT torch_folder)
  file(GLOB torch_folder LIST_DIRECTORIES true ${USAM_VENV}/lib/python3*/site-packages/torch)
endif()
if(NOT EXISTS "${torch_folder}/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "No torch in ${USAM_VENV}. Run tools/setup first, or pass -DUSAM_VENV=FOLDER.")
endif()
# The CUDA wheel brings its headers as packages beside torch; tools/setup adds those that it leaves out.
file(GLOB beside_torch LIST_DIRECTORIES true ${torch_folder}/../nvidia/*/include)
set(has_cuda OFF)
if(EXISTS ${torch_folder}/lib/libtorch_cuda.so AND EXISTS ${torch_folder}/../nvidia/cu13/include/crt/host_config.h)
  set(has_cuda ON)
endif()
# -DUSAM_CUDA=ON|OFF: against the CUDA flavour of LibTorch, with NCCL, or not. Without it as installed, seen anew by each configure
# run: tools/setup may have brought the other one since the last.
if(NOT DEFINED USAM_CUDA)
  set(USAM_CUDA ${has_cuda})
endif()
if(USAM_CUDA AND NOT USAM_CUDA_INCLUDES)
  set(USAM_CUDA_INCLUDES ${beside_torch})
endif()

# fmt is the header-only one among LibTorch's headers, for those who do without LibTorch too.
add_library(usam_fmt INTERFACE IMPORTED GLOBAL)
target_include_directories(usam_fmt SYSTEM INTERFACE ${torch_folder}/include)
target_compile_definitions(usam_fmt INTERFACE FMT_HEADER_ONLY=1)

# LibTorch's own CMake package pulls in CUDA tool kits and sets global flags; its headers and libraries are all we need.
# Imported: an installed usam finds its LibTorch anew.
add_library(usam_torch INTERFACE IMPORTED GLOBAL)
target_include_directories(usam_torch SYSTEM INTERFACE ${torch_folder}/include ${torch_folder}/include/torch/csrc/api/include)
target_link_directories(usam_torch INTERFACE ${torch_folder}/lib)
# The threads of torch's operators, for src/tensor/parallel.h: from torch's package, or the system's of the same name.
find_library(gomp NAMES libgomp.so.1 HINTS ${torch_folder}/lib NO_CACHE REQUIRED)
target_link_libraries(usam_torch INTERFACE torch torch_cpu c10 ${gomp} Threads::Threads)
target_compile_definitions(usam_torch INTERFACE FMT_HEADER_ONLY=1)
if(USAM_CUDA)
  target_compile_definitions(usam_torch INTERFACE USAM_CUDA=1 USE_C10D_NCCL=1)
  target_include_directories(usam_torch SYSTEM INTERFACE ${USAM_CUDA_INCLUDES})
  # Registration of the CUDA kernels is by static initialisers, which the linker would drop; CUDA's own libraries, on which
  # torch_cuda depends, need not be there to link.
  target_link_options(usam_torch INTERFACE -Wl,--no-as-needed -Wl,--unresolved-symbols=ignore-in-shared-libs)
  target_link_libraries(usam_torch INTERFACE torch_cuda c10_cuda)
endif()
