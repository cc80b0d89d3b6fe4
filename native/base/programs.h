/* The programs in crid-native, each with the calling convention of main(). */
#pragma once

int attach_main(int argc, char **argv);
int pause_main(int argc, char **argv);
int pinns_main(int argc, char **argv);
int session_main(int argc, char **argv);
int start_main(int argc, char **argv);
