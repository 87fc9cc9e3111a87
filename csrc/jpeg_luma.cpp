#include "jpeg_luma.hpp"

#include <csetjmp>
#include <cstdio>
#include <new>

#include <jerror.h>
#include <jpeglib.h>

namespace facectrl {

struct JpegLuma::State {
    jpeg_decompress_struct jpeg;
    jpeg_error_mgr errors;
    std::jmp_buf give_up;
};

namespace {

// libjpeg must not be returned to after an error, and exceptions must not cross its C code.
[[noreturn]] void on_error(j_common_ptr jpeg) {
    std::longjmp(*static_cast<std::jmp_buf*>(jpeg->client_data), 1);
}

// What cameras get wrong in every picture, with all pixels there.
bool is_harmless(int warning) {
    switch (warning) {
    case JWRN_EXTRANEOUS_DATA:  // stray bytes between segments
    case JWRN_JPEG_EOF:         // no end marker; where data is missing, too, more warnings follow
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM: return true;
    default: return false;
    }
}

void on_message(j_common_ptr jpeg, int level) {
    // Below zero are warnings: libjpeg would go on with gray where data is missing.
    if (level < 0 && !is_harmless(jpeg->err->msg_code)) on_error(jpeg);
}

void on_output(j_common_ptr) {}

}  // namespace

JpegLuma::JpegLuma() : state_(std::make_unique<State>()) {
    State& state = *state_;
    state.jpeg.err = jpeg_std_error(&state.errors);
    state.errors.error_exit = on_error;
    state.errors.emit_message = on_message;
    state.errors.output_message = on_output;
    state.jpeg.client_data = &state.give_up;
    // No object with a destructor may live between here and a longjmp: there is none.
    if (setjmp(state.give_up) != 0) throw std::bad_alloc();
    jpeg_create_decompress(&state.jpeg);
    state.jpeg.client_data = &state.give_up;
}

JpegLuma::~JpegLuma() { jpeg_destroy_decompress(&state_->jpeg); }

bool JpegLuma::decode(const std::uint8_t* data, std::size_t bytes, int width, int height,
                      int shrink, std::uint8_t* out) {
    jpeg_decompress_struct& jpeg = state_->jpeg;
    // No object with a destructor may live between here and a longjmp: there is none.
    if (setjmp(state_->give_up) != 0) {
        jpeg_abort_decompress(&jpeg);
        return false;
    }
    jpeg_mem_src(&jpeg, const_cast<std::uint8_t*>(data), static_cast<unsigned long>(bytes));
    jpeg_read_header(&jpeg, TRUE);
    const bool expected = jpeg.image_width == static_cast<unsigned>(width) &&
                          jpeg.image_height == static_cast<unsigned>(height) &&
                          (jpeg.jpeg_color_space == JCS_YCbCr ||
                           jpeg.jpeg_color_space == JCS_GRAYSCALE);
    if (!expected) {
        jpeg_abort_decompress(&jpeg);
        return false;
    }
    jpeg.out_color_space = JCS_GRAYSCALE;
    jpeg.scale_num = 1;
    jpeg.scale_denom = static_cast<unsigned>(shrink);
    jpeg_start_decompress(&jpeg);
    if (jpeg.output_width != static_cast<unsigned>((width + shrink - 1) / shrink) ||
        jpeg.output_height != static_cast<unsigned>((height + shrink - 1) / shrink)) {
        jpeg_abort_decompress(&jpeg);
        return false;
    }
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = out + static_cast<std::size_t>(jpeg.output_scanline) * jpeg.output_width;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    return true;
}

}  // namespace facectrl
